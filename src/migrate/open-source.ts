import { readFile, stat } from "node:fs/promises";
import { basename, join, posix, resolve } from "node:path";
import { unpackTemplate } from "../bundles/read/unpack.ts";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { readImageFile } from "../image/file/image-file.ts";
import { farDataRanges } from "../image/file/remote-holes.ts";
import { filesInUse } from "../image/in-use.ts";
import { type FarFolder, type FarPath, openFar } from "../image/remote-image.ts";
import type { DiskEntry } from "../vm-cfg/devices.ts";
import { readVmCfg, type VmCfg } from "../vm-cfg/document.ts";
import { machineOf, type VmCfgMachine } from "../vm-cfg/machine.ts";
import { machineOfArchive, machineOfConfig } from "./describe.ts";
import { formatNotes } from "./format-notes.ts";
import { type Located, locateDisks, realPaths, repositoryOf } from "./locate.ts";
import { requireStopped } from "./running.ts";
import type { Source, SourceMachine } from "./source.ts";

export interface SourceOptions {
  /** The user states that the machine is stopped. */
  readonly stopped: boolean;
  /** More folders that may contain its disks, besides its own and the repositories. */
  readonly disksIn: readonly string[];
  /** Devices, files and slots that are not copied, as the user named them. */
  readonly mapped: ReadonlySet<string>;
  /** The limit of an archive's unpacked size, in bytes. */
  readonly mostBytes: number;
  readonly sshConfig?: string;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

const mostConfigBytes = 256 * 1024;

/**
 * Opens a machine: a vm.cfg or its folder, here or on another machine, an archive, or the folder of an unpacked one.
 * Nothing of it is changed.
 */
export async function openSource(
  host: Host,
  name: string,
  far: FarPath | undefined,
  options: SourceOptions,
): Promise<Source> {
  if (far) return openFarConfig(far, options);
  const found = await stat(name).catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("usage", cause.code === "ENOENT" ? "there is no such file" : "cannot be read", {
      subject: name,
      cause,
    });
  });
  const config = found.isDirectory() ? join(name, "vm.cfg") : name;
  const isConfig = found.isDirectory()
    ? (await stat(config).catch(() => undefined))?.isFile() === true
    : /\.cfg$/i.test(basename(name));
  return isConfig ? openConfig(host, resolve(config), options) : openArchive(host, name, options);
}

async function openConfig(host: Host, config: string, options: SourceOptions): Promise<Source> {
  const bytes = await configBytes(config, config);
  const [real] = await realPaths(host, [config]);
  const described = describedBy(bytes, config, real?.path || config);
  const located = await locateDisks(host, described.config, filesOf(described, options), options.disksIn);
  const users = filesInUse();
  const { how } = await requireStopped(host, {
    ...questionOf(described, options),
    subject: config,
    users: located.flatMap(({ file }) => users.by(file)),
  });
  return {
    machine: await noted(described, located),
    stopped: how,
    shown: (text) => text,
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Mounts each folder with disks of the other machine here. */
async function openFarConfig({ address, path }: FarPath, options: SourceOptions): Promise<Source> {
  const ssh = options.sshConfig === undefined ? {} : { config: options.sshConfig };
  const folders: FarFolder[] = [];
  const close = async () => {
    for (const folder of folders.splice(0).reverse()) await folder[Symbol.asyncDispose]();
  };
  const see = async (wanted: string) => {
    const opened = await openFar({ address, path: wanted }, ssh);
    folders.push(opened.far);
    return opened;
  };
  const shown = (text: string) =>
    folders.reduce((words, far) => words.replaceAll(far.at, () => `${address}:${far.pathOn(far.at)}`), text);
  try {
    const own = await see(path);
    const file = (await stat(own.seen)).isDirectory() ? join(own.seen, "vm.cfg") : own.seen;
    const config = own.far.pathOn(file);
    if (!/\.cfg$/i.test(config) || !(await stat(file).catch(() => undefined))?.isFile())
      throw new TbuildError("usage", "is neither a vm.cfg nor a folder with one", {
        subject: `${address}:${path}`,
        hint: "For another machine, name a vm.cfg or its folder. Copy archives first.",
      });
    const { host } = own.far;
    const described = describedBy(
      await configBytes(file, `${address}:${config}`),
      `${address}:${config}`,
      config,
    );
    const located = await locateDisks(host, config, filesOf(described, options), options.disksIn);
    const byFolder = new Map<string, FarFolder>();
    const seen: Located[] = [];
    const users: string[] = [];
    for (const { entry, file: there } of located) {
      const folder = posix.dirname(there);
      const far = byFolder.get(folder) ?? (await see(folder)).far;
      byFolder.set(folder, far);
      const local = join(far.at, basename(there));
      users.push(...far.users.by(local));
      const data = (await isRaw(local)) ? await farDataRanges(host, there) : undefined;
      seen.push({ entry, file: local, ...(data && { data }) });
    }
    const subject = `${address}:${config}`;
    const { how } = await requireStopped(host, { ...questionOf(described, options), subject, users });
    const machine = await noted(described, seen);
    return { machine, stopped: how, shown, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

// A file that cannot be read is reported where its content is needed.
async function isRaw(file: string): Promise<boolean> {
  try {
    await using image = await readImageFile(file);
    return image.format === "raw";
  } catch (error) {
    if (error instanceof TbuildError) return false;
    throw error;
  }
}

async function noted(described: DescribedConfig, located: readonly Located[]): Promise<SourceMachine> {
  const machine = machineOfConfig(described.said, located, nameFor(described), isTemplate(described));
  return { ...machine, notes: [...machine.notes, ...(await formatNotes(located))] };
}

async function openArchive(host: Host, name: string, options: SourceOptions): Promise<Source> {
  const work = await temporaryFolder("migrate");
  try {
    const { mostBytes, signal, progress } = options;
    const contents = await unpackTemplate(host, name, work.path, {
      mostBytes,
      ...(signal && { signal }),
      ...(progress && { progress }),
    });
    const stem = basename(name).replace(/\.(?:tgz|tar(?:\.\w+)?|ova|ovf|zip|img|raw|qcow2|vmdk)$/i, "");
    return {
      machine: machineOfArchive(contents, stem),
      stopped: contents.disks.length > 0 ? "it is an archive, which does not run" : "",
      shown: (text) => text.replaceAll(work.path, () => name),
      [Symbol.asyncDispose]: () => work[Symbol.asyncDispose](),
    };
  } catch (error) {
    await work[Symbol.asyncDispose]();
    throw error;
  }
}

interface DescribedConfig {
  /** Its real path on its machine. */
  readonly config: string;
  readonly document: VmCfg;
  readonly said: VmCfgMachine;
}

function describedBy(bytes: Uint8Array, name: string, config: string): DescribedConfig {
  const document = readVmCfg(bytes, name);
  return { config, document, said: machineOf(document) };
}

async function configBytes(file: string, name: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > mostConfigBytes)
    throw new TbuildError("integrity", `${size} bytes exceed the limit for a vm.cfg`, { subject: name });
  return readFile(file);
}

/** The disks that are files, and will be copied. */
function filesOf({ said }: DescribedConfig, { mapped }: SourceOptions): DiskEntry[] {
  return said.disks.filter(
    ({ isCdrom, isDevice, target, slot }) =>
      !isCdrom &&
      !isDevice &&
      target !== undefined &&
      !mapped.has(target) &&
      !(slot !== undefined && mapped.has(slot)),
  );
}

function questionOf({ config, document }: DescribedConfig, { stopped }: SourceOptions) {
  const names = ["name", "OVM_simple_name"].map((key) => document.values.get(key));
  const repository = repositoryOf(config);
  return {
    names: names.filter((name): name is string => typeof name === "string"),
    isTemplate: repository?.isTemplate ?? false,
    isShared: repository !== undefined || config.startsWith("/OVS/"),
    isSaidStopped: stopped,
  };
}

function nameFor({ config }: DescribedConfig): string {
  return posix.basename(posix.dirname(config));
}

function isTemplate({ config }: DescribedConfig): boolean {
  return repositoryOf(config)?.isTemplate ?? false;
}
