import { readFile, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type { FitnessTarget } from "../choices.ts";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { firstBoot } from "../firstboot/arming.ts";
import type { Host } from "../host/host.ts";
import { type FilesInUse, filesInUse } from "../image/in-use.ts";
import { type OpenedImage, openImageFile } from "../image/open.ts";
import type { FarFolder } from "../image/remote-image.ts";
import { eachInParallel } from "../io/parallel.ts";
import { readVmCfg, type VmCfg } from "../vm-cfg/document.ts";
import { machineOf } from "../vm-cfg/machine.ts";
import { type Fitness, fitnessOrWhy } from "./fitness/fitness.ts";
import { targets } from "./fitness/targets.ts";
import { modeOfVmCfg, withVmCfg } from "./fitness/vm-cfg.ts";
import { type Identity, readIdentity } from "./identity.ts";
import { releaseInShort } from "./inspect.ts";
import { readRelease } from "./release.ts";
import { findImages, packedName } from "./repository.ts";

export type Kind =
  | "armed template"
  | "unarmed template"
  | "running VM"
  | "used VM"
  | "packed template"
  | "other guest"
  | "data disk"
  | "dirty"
  | "unreadable";

/** A description of an image in one line. */
export interface Scanned {
  readonly file: string;
  readonly kind: Kind;
  readonly release?: string;
  /** The machine that owns it, from a vm.cfg in the repository. */
  readonly owner?: Owner;
  /** Whether its guest runs at the requested target. */
  readonly fitness?: Fitness;
  /** The reasons, and other remarks. */
  readonly remarks: readonly string[];
}

export interface Owner {
  readonly kind: "template" | "machine";
  readonly name: string;
}

export interface ScanOptions {
  /** The target to check each guest for. */
  readonly target?: FitnessTarget;
  readonly onEach?: (done: number, all: number) => void;
  readonly signal?: AbortSignal;
  /** The real location of a mounted remote folder. */
  readonly far?: FarFolder;
}

/** Every image below `folder`: an Oracle VM repository, a folder of repositories, or any other folder. */
export async function scanFolder(host: Host, folder: string, options: ScanOptions = {}): Promise<Scanned[]> {
  const { images, configs } = await findImages(folder);
  const about: Configs = { owners: new Map(), starts: new Map() };
  for (const config of configs) await readConfig(config, relative(folder, config), about);
  const users = options.far?.users ?? filesInUse();
  const found: Scanned[] = new Array(images.length);
  let done = 0;
  // Reading mostly waits for the disk, so several images are read at once.
  await eachInParallel(images, 8, async (file, index) => {
    checkInterrupted(options.signal);
    found[index] = await scanImage(host, file, about, users, options);
    options.onEach?.(++done, images.length);
  });
  return found;
}

async function scanImage(
  host: Host,
  file: string,
  { owners, starts }: Configs,
  users: FilesInUse,
  { far, signal, target }: ScanOptions,
): Promise<Scanned> {
  const owner = owners.get(basename(file));
  const base = { file, ...(owner && { owner }) };
  if (packedName.test(file))
    return { ...base, kind: "packed template", remarks: ["not inspected; use `tbuild template import`"] };
  const inUse = users.by(file);
  if (inUse.length > 0)
    return { ...base, kind: "running VM", remarks: inUse.map((user) => `in use by ${user}`) };
  try {
    await using image = await openImageFile(host, file, {
      readOnly: true,
      users,
      ...(far && { far }),
      ...(signal && { watch: { signal } }),
    });
    const found = await classify(image, owner);
    const fitness =
      target && (await fitnessIn(host, { file, guest: image }, target, starts.get(basename(file))));
    return { ...base, ...found, ...(fitness && { fitness }) };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    if (error.code === "no-guest") return { ...base, kind: "data disk", remarks: error.lines };
    return { ...base, kind: "unreadable", remarks: [error.about(file)] };
  }
}

// If the target is Xen, an image is checked in the mode of its vm.cfg. Elsewhere, no vm.cfg is used.
async function fitnessIn(
  host: Host,
  image: { readonly file: string; readonly guest: OpenedImage },
  target: FitnessTarget,
  configs: readonly NamedConfig[] = [],
): Promise<Fitness> {
  const [first] = targets[target].modes.includes("kvm") ? [] : configs;
  if (!first) return fitnessOrWhy(host, image, target);
  let fitness = await fitnessOrWhy(host, image, target, modeOfVmCfg(first.config));
  for (const { path, config } of configs)
    fitness = await withVmCfg(fitness, config, { file: image.file, tree: image.guest.tree }, path);
  return fitness;
}

async function classify(
  { tree, mounts, others, cutOff }: OpenedImage,
  owner: Owner | undefined,
): Promise<Pick<Scanned, "kind" | "release" | "remarks">> {
  const known = await readRelease(tree).catch((error) => {
    if (error instanceof TbuildError && error.fault === "guest") return error.about("guest");
    throw error;
  });
  if (typeof known === "string") return { kind: "other guest", remarks: [known] };
  const release = releaseInShort(known);
  if (cutOff.length > 0) return { kind: "unreadable", release, remarks: [`is cut off: ${cutOff[0]}`] };
  const dirty = mounts.filter(({ volume }) => volume.isDirty).map(({ volume }) => volume.name);
  if (dirty.length > 0)
    return { kind: "dirty", release, remarks: [`not cleanly unmounted: ${dirty.join(", ")}`] };
  const toArm = await firstBoot.pending(tree);
  const left = identityLeft(await readIdentity(tree));
  const unread = others.filter(({ state }) => state === "unknown");
  const remarks = [
    ...(left.length > 0 ? [`identity left: ${left.join(", ")}`] : []),
    ...unread.map(({ name, why }) => `not inspected: ${name} ${why}`),
  ];
  if (toArm.length === 0) return { kind: "armed template", release, remarks };
  const isTemplate = owner ? owner.kind === "template" : left.length === 0;
  return {
    kind: isTemplate ? "unarmed template" : "used VM",
    release,
    remarks: [...remarks, `not armed: ${toArm[0]}`],
  };
}

function identityLeft({
  hostKeys,
  machineId,
  addresses,
  macs,
  hostname,
  iscsiInitiator,
}: Identity): string[] {
  const found = {
    "host keys": hostKeys.length > 0,
    "machine id": machineId !== undefined,
    addresses: addresses.length > 0,
    MACs: macs.length > 0,
    hostname: hostname !== undefined && !hostname.startsWith("localhost"),
    "iSCSI initiator": iscsiInitiator !== undefined,
  };
  return Object.entries(found).flatMap(([name, isLeft]) => (isLeft ? [name] : []));
}

/** The contents of the vm.cfg files, by the names of disk files. */
interface Configs {
  readonly owners: Map<string, Owner>;
  /** Those that start a machine from the disk. */
  readonly starts: Map<string, NamedConfig[]>;
}

interface NamedConfig {
  readonly path: string;
  readonly config: VmCfg;
}

// A disk that a template and its machines share by name belongs to the template.
async function readConfig(path: string, name: string, { owners, starts }: Configs): Promise<void> {
  const config = await configIn(path);
  if (!config) return;
  const machine = machineOf(config);
  const kind = path.includes("/Templates/") ? "template" : "machine";
  const owner: Owner = { kind, name: machine.name ?? basename(join(path, "..")) };
  const files = machine.disks.flatMap(({ target, isCdrom }) =>
    target === undefined || isCdrom ? [] : [basename(target)],
  );
  for (const file of files) if (owners.get(file)?.kind !== "template") owners.set(file, owner);
  const [system] = files;
  if (system !== undefined) starts.set(system, [...(starts.get(system) ?? []), { path: name, config }]);
}

// The owners of disks are only additional information, so an unreadable vm.cfg is ignored.
async function configIn(path: string): Promise<VmCfg | undefined> {
  try {
    if ((await stat(path)).size > 256 * 1024) return undefined;
    return readVmCfg(await readFile(path), path);
  } catch (error) {
    if (error instanceof TbuildError || (error as NodeJS.ErrnoException).code !== undefined) return undefined;
    throw error;
  }
}
