import { TbuildError } from "../errors.ts";
import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import { amount } from "../io/units.ts";
import type { Leftover, Leftovers } from "./leftovers/index.ts";
import type { Done } from "./operation.ts";

/** A class of data that distinguishes guests or reveals who made them. */
export interface IdentityClass {
  readonly name: string;
  /** The operations that reset it. */
  readonly operations: readonly string[];
  /** The pattern of a block that contained it; absent if such blocks cannot be recognised. */
  readonly looks?: Pick<RegExp, "test">;
}

/** A seed is a file of 512 random bytes. They contain about 221 of the 256 values, and zeros fill the rest of the block. */
const randomSeed = {
  test: (block: string) =>
    block.length > 512 && /^\0+$/.test(block.slice(512)) && new Set(block.slice(0, 512)).size > 190,
};

export const identityClasses: readonly IdentityClass[] = [
  {
    name: "SSH keys",
    operations: ["ssh-host-keys", "user-keys", "build-key"],
    looks:
      /-----BEGIN (?:[A-Z]{2,9} )?PRIVATE KEY(?: BLOCK)?-----|\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+) AAAA/,
  },
  {
    name: "machine id",
    operations: ["machine-id", "dbus-machine-id", "boot-entries"],
    looks: /^[\da-f]{32}\n\0/,
  },
  {
    name: "host name",
    operations: ["hostname"],
    looks: /^[ \t]*(?:export[ \t]+)?HOSTNAME=["']?(?!localhost)\w/m,
  },
  {
    name: "network",
    operations: [
      "network-interfaces",
      "network-connections",
      "network-rules",
      "network-state",
      "dhcp-client",
      "hosts-file",
      "resolver",
    ],
    // ifcfg files, udev's rules, leases, and NetworkManager's keyfiles.
    looks: new RegExp(
      [
        "^[ \\t]*(?:export[ \\t]+)?(?:HWADDR|MACADDR|IPADDR\\d*|IPADDR_START|DHCP_CLIENT_ID|DHCPV6_DUID)=[\"']?[\\da-f]{1,3}[.:]",
        'SUBSYSTEM=="net".*ATTR\\{address\\}',
        "^lease6? \\{\\r?$",
        "^[ \\t]*(?:cloned-)?mac-address[ \\t]*=[ \\t]*[\\da-f]{2}:",
        "^[ \\t]*(?:dhcp-(?:client-id|duid|iaid)|address\\d+)[ \\t]*=[ \\t]*(?:[\\da-f]{1,4}:|\\d)",
      ].join("|"),
      "im",
    ),
  },
  { name: "random seed", operations: ["random-seed"], looks: randomSeed },
  {
    name: "registration",
    operations: ["registration", "yum-uuid"],
    looks: /<name>system_id<\/name>|^InitiatorName=iqn\./m,
  },
  { name: "storage ids", operations: ["iscsi-initiator", "disk-ids"], looks: /^InitiatorName=iqn\./m },
  {
    name: "passwords",
    operations: ["root-password", "password-backups", "installer-traces"],
    looks: /\$(?:1|2[aby]|5|6|y)\$[./\w$=,]{8,}|^rootpw /m,
  },
  {
    name: "logs",
    operations: ["logs", "login-records", "mail", "crashes"],
    looks:
      // The last one is the header of a journal file.
      /^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d \S+ [^\n:]+: |^type=[A-Z_]+ msg=audit\(|LPKSHHRH/m,
  },
  {
    name: "traces",
    operations: [
      "histories",
      "temporary-files",
      "cron-spool",
      "at-counter",
      "package-cache",
      "backup-files",
      "clock-drift",
    ],
  },
  {
    name: "services",
    operations: ["service-state", "service-keys", "cloud-init", "rpm-database", "package-leftovers"],
  },
];

/** The traces of one class in a guest. */
export interface ClassReport {
  readonly name: string;
  /** `unknown`: not searched, or not visible. */
  readonly state: "reset" | "left" | "unknown";
  readonly why: readonly string[];
}

/** What the free blocks of a guest contain. */
export interface Residue {
  /** The number of blocks with traces of each class. */
  readonly shown: ReadonlyMap<string, number>;
  /** The number of blocks with any data; absent if they were not counted. */
  readonly withData?: number;
}

/** Searches the free blocks; `undefined` if the access method does not see blocks. */
export async function findResidue(guest: DraftedGuest): Promise<Residue | undefined> {
  if (!guest.freeBlocks) return undefined;
  const found = new Map<string, number>();
  let withData = 0;
  try {
    for await (const { data } of guest.freeBlocks()) {
      withData++;
      countBlock(data, found);
    }
  } catch (error) {
    // An unknown format, so its free blocks are unknown.
    if (error instanceof TbuildError && error.fault === "environment") return undefined;
    throw error;
  }
  return { shown: found, withData };
}

/** Counts the blocks of 4 KiB with traces in a byte range, by class. */
export function countShown(data: Uint8Array, found: Map<string, number>): void {
  for (let at = 0; at < data.length; at += 4096) countBlock(data.subarray(at, at + 4096), found);
}

function countBlock(block: Uint8Array, found: Map<string, number>): void {
  for (const { name } of shownBy(block)) found.set(name, (found.get(name) ?? 0) + 1);
}

/** Whether a block contains traces of any class. */
export function tellsOfGuest(block: Uint8Array): boolean {
  return shownBy(block).length > 0;
}

function shownBy(block: Uint8Array): IdentityClass[] {
  const text = Buffer.from(block.buffer, block.byteOffset, block.length).toString("latin1");
  return identityClasses.filter(({ looks }) => looks?.test(text));
}

/**
 * Determines for each class whether it is reset. `applied` names the operations that were checked or applied.
 */
export function classReports(
  pending: readonly Done[],
  applied: readonly string[],
  residue?: {
    readonly found: Residue | undefined;
    readonly inSwap?: ReadonlyMap<string, number>;
    /** Outside file systems, by class and then by place. */
    readonly outside?: ReadonlyMap<string, ReadonlyMap<string, number>>;
  },
  leftovers?: Leftovers,
): ClassReport[] {
  const reports = identityClasses.map(({ name, operations, looks }): ClassReport => {
    const left = [
      ...pending.filter((one) => operations.includes(one.name)).flatMap(({ done }) => done),
      ...(leftovers?.found ?? []).filter(({ of }) => of === name).map(shownLeftover),
    ];
    const blocks = residue?.found?.shown.get(name) ?? 0;
    const swapped = residue?.inSwap?.get(name) ?? 0;
    const hidden = [
      ...(blocks > 0 ? [amount(blocks, "free block")] : []),
      ...(swapped > 0 ? [`${amount(swapped, "block")} of swap`] : []),
      ...[...(residue?.outside?.get(name) ?? [])].map(
        ([place, count]) => `${amount(count, "block")} in ${place}`,
      ),
    ];
    if (left.length + hidden.length > 0) return { name, state: "left", why: [...left, ...hidden] };
    const skipped = operations.filter((one) => !applied.includes(one));
    if (skipped.length > 0)
      return { name, state: "unknown", why: skipped.map((one) => `${one} was left out`) };
    if (residue && !residue.found)
      return { name, state: "unknown", why: ["free blocks cannot be seen this way"] };
    const { withData } = residue?.found ?? { withData: 0 };
    if (!looks && withData !== 0) return { name, state: "unknown", why: [unrecognised(withData)] };
    return { name, state: "reset", why: [] };
  });
  return leftovers ? [...reports, leftoverReport(leftovers)] : reports;
}

function unrecognised(blocks: number | undefined): string {
  return blocks === undefined
    ? "free blocks with it cannot be recognised"
    : `${amount(blocks, "free block")} with data of unknown origin`;
}

/** The part of `leftovers` in a class that one of the operations resets. */
export function concerning(leftovers: Leftovers, operations: readonly string[]): Leftovers {
  const classes = identityClasses.filter((one) => one.operations.some((name) => operations.includes(name)));
  const names = new Set(classes.map(({ name }) => name));
  return { ...leftovers, found: leftovers.found.filter(({ of }) => of !== undefined && names.has(of)) };
}

/** The result of the search through all files. */
export const leftoverClass = "all other files";

function leftoverReport({ found, limits }: Leftovers): ClassReport {
  const name = leftoverClass;
  const others = found.filter(({ of }) => of === undefined);
  if (others.length > 0) return { name, state: "left", why: others.map(shownLeftover) };
  return limits.length > 0 ? { name, state: "unknown", why: limits } : { name, state: "reset", why: [] };
}

function shownLeftover({ path, what }: Leftover): string {
  return `${what} in ${path}`;
}
