import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { findImages } from "../guest/repository.ts";
import type { Host } from "../host/host.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { layoutOf } from "../image/disk/disk.ts";
import { readImageFile } from "../image/file/image-file.ts";
import type { FilesInUse } from "../image/in-use.ts";
import { readVmCfg } from "../vm-cfg/document.ts";
import { machineOf } from "../vm-cfg/machine.ts";
import { machineOfConfig } from "./describe.ts";
import { prepareGuest } from "./guest.ts";
import { repositoryOf } from "./locate.ts";
import type { SourceMachine } from "./source.ts";

/** A folder to search, and the users of its files. */
export interface InventoryFolder {
  readonly at: string;
  /** Its name on its own machine, if it is mounted here. */
  readonly name?: string;
  readonly users: FilesInUse;
}

/** Whether a machine can go to KVM by `tbuild migrate`. */
export interface Leaving {
  /** `converted`: yes, after `tbuild migrate` changes the copy of its guest. */
  readonly verdict: "yes" | "converted" | "no" | "unknown";
  readonly why: readonly string[];
}

export interface InventoryDisk {
  readonly slot: string;
  readonly mode: "w" | "r" | "w!";
  /** As in its vm.cfg. */
  readonly what: string;
  readonly kind: "image" | "lun" | "missing";
  readonly file?: string;
  readonly bytes?: number;
}

export interface InventoryMachine {
  readonly name: string;
  readonly config: string;
  readonly kind: "machine" | "template";
  /** The alias of its repository. */
  readonly repository?: string;
  readonly domainType?: SourceMachine["domainType"];
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly macs: readonly string[];
  readonly disks: readonly InventoryDisk[];
  readonly leaves: Leaving;
  /** Its vm.cfg could not be read. */
  readonly isUnread?: true;
}

export interface Inventory {
  readonly machines: readonly InventoryMachine[];
  /** Images that no readable vm.cfg names. */
  readonly orphans: readonly string[];
  /** The number of vm.cfg files that could not be read. */
  readonly unread: number;
  /** Disks and LUNs that several machines use. Without `w!` in all of them, that is a mistake. */
  readonly usedTwice: readonly {
    readonly what: string;
    readonly by: readonly string[];
    readonly isShared: boolean;
  }[];
  /** Machines and templates whose boot disks have the same file systems, by their UUIDs. */
  readonly twins: readonly (readonly string[])[];
}

interface Options {
  readonly signal?: AbortSignal;
  readonly onEach?: (done: number, all: number) => void;
}

/** Lists the machines and templates of repositories, their disks, and whether they can leave for KVM. Reads only. */
export async function takeInventory(
  host: Host,
  folders: readonly InventoryFolder[],
  { signal, onEach }: Options = {},
): Promise<Inventory> {
  const found = await Promise.all(
    folders.map(async ({ at, users }) => ({ users, ...(await findImages(at)) })),
  );
  const images = new Set(found.flatMap((one) => one.images));
  const named = folders.map(({ at, name = basename(at) }) => [at, name] as const);
  const repositories = new Map([...named, ...found.flatMap((one) => [...one.aliases])]);
  const configs = found.flatMap(({ users, configs }) => configs.map((config) => ({ config, users })));
  const machines: InventoryMachine[] = new Array(configs.length);
  const marks = new Map<string, string[]>();
  let [next, done] = [0, 0];
  const worker = async () => {
    for (let index = next++; index < configs.length; index = next++) {
      checkInterrupted(signal);
      const { config, users } = configs[index] ?? { config: "", users: { by: () => [] } };
      const look = { host, images, repositories, users, ...(signal && { signal }) };
      const { machine, mark } = await lookAt(config, look);
      machines[index] = machine;
      if (mark !== undefined) marks.set(mark, [...(marks.get(mark) ?? []), machine.name]);
      onEach?.(++done, configs.length);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  const used = new Set(machines.flatMap(({ disks }) => disks.flatMap(({ file }) => file ?? [])));
  return {
    machines,
    orphans: [...images].filter((image) => !used.has(image)).sort(),
    unread: machines.filter(({ isUnread }) => isUnread).length,
    usedTwice: usedTwice(machines),
    twins: [...marks.values()].filter((names) => names.length > 1),
  };
}

interface Look {
  readonly host: Host;
  readonly images: ReadonlySet<string>;
  readonly repositories: ReadonlyMap<string, string>;
  readonly users: FilesInUse;
  readonly signal?: AbortSignal;
}

async function lookAt(config: string, look: Look): Promise<{ machine: InventoryMachine; mark?: string }> {
  const folder = basename(dirname(config));
  const repository = repositoryOf(config);
  const alias = repository && (look.repositories.get(repository.root) ?? basename(repository.root));
  const base = {
    config,
    kind: repository?.isTemplate ? ("template" as const) : ("machine" as const),
    ...(alias !== undefined && { repository: alias }),
  };
  const source = await readMachine(config, look).catch((error) => {
    if (error instanceof TbuildError) return error;
    throw error;
  });
  if (source instanceof TbuildError) {
    const why = [source.about(config), ...source.lines];
    return {
      machine: {
        ...base,
        name: folder,
        isUnread: true,
        macs: [],
        disks: [],
        leaves: { verdict: "unknown", why },
      },
    };
  }
  const { machine, missing } = source;
  const disks = await Promise.all(
    machine.disks.map(async ({ slot, mode, what, from }): Promise<InventoryDisk> => {
      if (from.kind === "device") return { slot, mode, what, kind: missing.has(what) ? "missing" : "lun" };
      return { slot, mode, what, kind: "image", file: from.file, bytes: await bytesOf(from.file) };
    }),
  );
  const boot = machine.disks.find(({ isBoot }) => isBoot);
  const file = boot?.from.kind === "image" ? boot.from.file : undefined;
  const mark = file === undefined ? undefined : await markOf(file);
  return {
    ...(mark !== undefined && { mark }),
    machine: {
      ...base,
      name: machine.title,
      ...(machine.domainType && { domainType: machine.domainType }),
      vcpus: machine.vcpus,
      memoryMib: machine.memoryMib,
      macs: machine.nics.flatMap(({ mac }) => mac ?? []),
      disks,
      leaves: await leavingOf(file, disks, look),
    },
  };
}

async function readMachine(config: string, { images }: Look) {
  const { size } = await stat(config);
  if (size > 256 * 1024)
    throw new TbuildError("integrity", `${size} bytes exceed the limit for a vm.cfg`, { subject: config });
  const said = machineOf(readVmCfg(await readFile(config), config));
  const byName = new Map<string, string[]>();
  for (const image of images) byName.set(basename(image), [...(byName.get(basename(image)) ?? []), image]);
  const missing = new Set<string>();
  const located = said.disks.flatMap((entry) => {
    if (entry.isCdrom || entry.isDevice || entry.target === undefined) return [];
    const root = repositoryOf(config)?.root ?? dirname(config);
    const inside = /^\/OVS\/Repositories\/[^/]+\/(.+)$/.exec(entry.target)?.[1] ?? entry.target;
    const beside = join(dirname(config), basename(entry.target));
    const named = byName.get(basename(entry.target)) ?? [];
    const file =
      [entry.target, join(root, inside), beside].find((path) => images.has(path)) ??
      // For a disk in another repository, the name is an id and identifies one file.
      (named.length === 1 ? named[0] : undefined);
    if (file !== undefined) return [{ entry, file }];
    missing.add(entry.target);
    return [];
  });
  const isTemplate = repositoryOf(config)?.isTemplate ?? false;
  return { machine: machineOfConfig(said, located, basename(dirname(config)), isTemplate), missing };
}

async function bytesOf(file: string): Promise<number> {
  try {
    await using image = await readImageFile(file);
    return image.bytes;
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return (await stat(file)).size;
  }
}

/** The UUIDs of the file systems on a disk, which its copies share; empty if there are none. */
async function markOf(file: string): Promise<string | undefined> {
  try {
    await using image = await readImageFile(file);
    const { volumes } = await layoutOf(image);
    const ids = volumes.flatMap(({ uuid }) => uuid ?? []).sort();
    return ids.length > 0 ? ids.join(" ") : undefined;
  } catch (error) {
    if (error instanceof TbuildError) return undefined;
    throw error;
  }
}

async function leavingOf(
  boot: string | undefined,
  disks: readonly InventoryDisk[],
  { host, users, signal }: Look,
): Promise<Leaving> {
  const inUse = disks.flatMap(({ file }) => (file === undefined ? [] : users.by(file)));
  if (inUse[0] !== undefined) return { verdict: "no", why: [`it runs: a disk is in use, by ${inUse[0]}`] };
  const gone = disks.filter(({ kind }) => kind === "missing");
  if (gone.length > 0) return { verdict: "no", why: gone.map(({ what }) => `its disk ${what} is missing`) };
  if (boot === undefined)
    return { verdict: "unknown", why: ["its boot disk is not an image in these folders"] };
  const toMap = disks.flatMap(({ kind, mode, slot }) => {
    if (kind === "lun") return [`${slot} is a LUN: attach it there`];
    return mode === "w!" ? [`${slot} is shared: copy it once`] : [];
  });
  try {
    await using work = await temporaryFolder("inventory");
    const guest = await prepareGuest(host, boot, work.path, {
      target: "kvm",
      mode: "kvm",
      convert: "auto",
      note: () => {},
      progress: () => {},
      ...(signal && { signal }),
    });
    const { verdict, findings } = guest.fitness;
    const why = findings
      .filter(({ weight }) => weight === verdict)
      .map(({ about, why }) => `${about}: ${why}`);
    const isChanged = (guest.converted?.length ?? 0) > 0;
    if (verdict === "fit") return { verdict: isChanged ? "converted" : "yes", why: toMap };
    const notConverted = guest.why === undefined ? [] : [`not converted: ${guest.why}`];
    return { verdict: verdict === "unfit" ? "no" : "unknown", why: [...why, ...notConverted, ...toMap] };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return { verdict: "unknown", why: [error.about(boot)] };
  }
}

function usedTwice(machines: readonly InventoryMachine[]): Inventory["usedTwice"] {
  const uses = new Map<string, { machine: InventoryMachine; disk: InventoryDisk }[]>();
  for (const machine of machines)
    for (const disk of machine.disks) {
      if (disk.kind === "missing") continue;
      const key = disk.file ?? disk.what;
      uses.set(key, [...(uses.get(key) ?? []), { machine, disk }]);
    }
  return [...uses]
    .filter(([, all]) => all.length > 1)
    .map(([what, all]) => ({
      what,
      by: all.map(({ machine, disk }) => `${machine.name} (${disk.slot})`),
      isShared: all.every(({ disk }) => disk.mode !== "w"),
    }));
}
