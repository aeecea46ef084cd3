import { releases as releaseNames } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import type { GuestTree } from "../image/tree.ts";
import {
  type Claim,
  claimOfOsRelease,
  claimOfPackage,
  claimOfReleaseFile,
  knownProducts,
  packageClaims,
} from "./product.ts";

type MajorIn<Name> = Name extends `ol${infer Number extends number}` ? Number : never;
export type Major = MajorIn<(typeof releaseNames)[number]>;

export interface Release {
  /** The guest's own name for its release. */
  readonly name: string;
  readonly major: Major;
  readonly update: number;
}

/** The differences between the releases. */
export const releases = {
  5: {
    init: "sysv",
    initrd: "mkinitrd",
    armingFile: "/etc/sysconfig/ovmd",
    grub: "legacy",
    console: "xvc0",
    python: [2, 4],
  },
  6: {
    init: "upstart",
    initrd: "dracut",
    armingFile: "/etc/sysconfig/ovmd",
    grub: "legacy",
    console: "hvc0",
    python: [2, 6],
  },
  7: {
    init: "systemd",
    initrd: "dracut",
    armingFile: newArmingFile(),
    grub: "grub2",
    console: "hvc0",
    python: [2, 7],
  },
  8: {
    init: "systemd",
    initrd: "dracut",
    armingFile: newArmingFile(),
    grub: "bls",
    console: "hvc0",
    python: [3, 6],
  },
  9: {
    init: "systemd",
    initrd: "dracut",
    armingFile: newArmingFile(),
    grub: "bls",
    console: "hvc0",
    python: [3, 9],
  },
} as const satisfies Record<Major, ReleaseTraits>;

export interface ReleaseTraits {
  readonly init: "sysv" | "upstart" | "systemd";
  readonly initrd: "mkinitrd" | "dracut";
  /** The file in which `INITIAL_CONFIG=yes` makes the next boot configure the guest. */
  readonly armingFile: string;
  readonly grub: "legacy" | "grub2" | "bls";
  /** The console of a paravirtual machine; on OL5, kernel-xen's. */
  readonly console: "xvc0" | "hvc0";
  /** The system's Python, which runs first-boot modules. */
  readonly python: readonly [major: number, minor: number];
}

/**
 * Reads which release a guest is: by its release file, Oracle's own first, by os-release, and where neither
 * says it by its packages. Throws when it is not a release that tbuild knows, when it is another
 * distribution, or when its files contradict each other; `declareRelease` says it for such a guest.
 */
export async function readRelease(tree: GuestTree): Promise<Release> {
  const said = declared.get(tree);
  const found = await claimsOf(tree);
  const [own] = found;
  const reason = whyNot(found);
  if (said !== undefined) {
    if (own?.product !== undefined && own.major !== said && reason === undefined)
      throw new TbuildError("usage", `is ${own.text}, but --as says ol${said}`, {
        subject: "guest",
        hint: "Omit --as, which is for unknown guests only.",
      });
    const name = own
      ? `${own.text}, treated as Oracle Linux ${said}`
      : `unknown, treated as Oracle Linux ${said}`;
    if (reason !== undefined) return { name, major: said, update: 0 };
  }
  if (!own?.product || reason !== undefined)
    throw new TbuildError("guest", reason ?? "does not state its release", {
      subject: "guest",
      code: "other-guest",
      lines: found.map(({ file, text }) => `${file}: ${text}`),
      hint:
        `tbuild knows ${knownProducts.join(", ")}, releases ${Object.keys(releases)[0]} to ${Object.keys(releases).at(-1)}. ` +
        "If this guest is compatible with one of them, name it: --as ol7.",
    });
  return { name: own.text, major: own.major as Major, update: own.update ?? 0 };
}

/** Treats a guest as this release of Oracle Linux, regardless of its files. */
export function declareRelease(tree: GuestTree, major: Major): void {
  declared.set(tree, major);
}

// The declared release is stored with the guest's tree, so every operation on the tree gets it.
const declared = new WeakMap<GuestTree, Major>();

/** Parses `ol7`, the value of --as. */
export function parseMajor(word: string): Major {
  const name = releaseNames.find((one) => one === word.toLowerCase());
  if (name === undefined)
    throw new TbuildError("usage", `--as ${word}: not a release that tbuild knows`, {
      hint: `Available: ${releaseNames.join(", ")}.`,
    });
  return Number(name.slice(2)) as Major;
}

// The decisive files. The packages are read only if no file decides, because that takes longest.
async function claimsOf(tree: GuestTree): Promise<Claim[]> {
  const found: Claim[] = [];
  const add = (claim: Claim | undefined) => {
    if (claim) found.push(claim);
  };
  for (const file of releaseFiles) {
    const text = await tree.text(file);
    if (text) add(claimOfReleaseFile(file, text));
  }
  for (const file of ["/etc/os-release", "/usr/lib/os-release"]) {
    const text = await tree.text(file);
    if (!text) continue;
    add(claimOfOsRelease(file, text));
    break;
  }
  const isKnown = found.some(({ product }) => product !== undefined);
  const isStrange = found.some(({ file, product }) => product === undefined && decides(file));
  // They contradict each other or are missing. The package database is harder to edit by accident.
  if (isKnown === isStrange) add(await claimByPackages(tree));
  return inOrder(found);
}

// A known product with its update comes first.
function inOrder(claims: readonly Claim[]): Claim[] {
  const rank = ({ product, major }: Claim) => (product === undefined ? 2 : major === undefined ? 1 : 0);
  return [...claims].sort((one, other) => rank(one) - rank(other));
}

function whyNot(claims: readonly Claim[]): string | undefined {
  const [own] = claims;
  if (!own) return "does not state its release";
  const appliance = claims.find((one) => one.appliance !== undefined);
  if (appliance)
    return `is ${appliance.text}, an appliance (${appliance.appliance}, by ${appliance.file}), whose files its next image replaces`;
  const stranger = claims.find(({ file, product }) => product === undefined && decides(file));
  if (stranger && !claims.some(({ file, product }) => file === packageClaims && product === own.product))
    return `is ${stranger.text}, according to ${stranger.file}; not a distribution that tbuild knows`;
  if (own.product === undefined) return `is ${own.text}; not a distribution that tbuild knows`;
  if (own.major === undefined || !(own.major in releases))
    return `is ${own.text}; not a release that tbuild knows`;
  const other = claims.find(
    ({ file, product, major }) =>
      product !== undefined &&
      major !== undefined &&
      major !== own.major &&
      (decides(file) || file === packageClaims),
  );
  if (other) return `is ${own.text} according to ${own.file}, but ${other.text} according to ${other.file}`;
  return undefined;
}

// People change /etc/redhat-release for installers that expect a certain line, but nobody changes these.
function decides(file: string): boolean {
  return isForeign(file) || file.endsWith("/os-release");
}

function isForeign(file: string): boolean {
  return foreignFiles.includes(file);
}

async function claimByPackages(tree: GuestTree): Promise<Claim | undefined> {
  const { readRpmDatabase } = await import("./rpm/database.ts");
  try {
    const claims = ((await readRpmDatabase(tree))?.packages ?? []).flatMap(
      (one) => claimOfPackage(one) ?? [],
    );
    return claims.find(({ product }) => product === "Oracle Linux") ?? claims[0];
  } catch (error) {
    if (error instanceof TbuildError) return undefined;
    throw error;
  }
}

const foreignFiles = [
  "/etc/fedora-release",
  "/etc/mageia-release",
  "/etc/mandriva-release",
  "/etc/SuSE-release",
  "/etc/xensource-release",
  "/etc/ovs-release",
];

// oracle-release first: on Oracle Linux, redhat-release names the compatible release.
const releaseFiles = [
  "/etc/oracle-release",
  "/etc/enterprise-release",
  "/etc/centos-release",
  "/etc/rocky-release",
  "/etc/almalinux-release",
  "/etc/sl-release",
  "/etc/redhat-release",
  "/etc/system-release",
  ...foreignFiles,
];

function newArmingFile() {
  return "/etc/sysconfig/ovm-template-initial-config" as const;
}
