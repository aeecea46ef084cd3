import { posix } from "node:path";
import { type InitramfsEntry, initramfsEntries } from "../convert/initramfs.ts";
import { compressionOf, unpack } from "../unpack.ts";

/** The usable parts of an initramfs. */
export interface Early {
  /** Why the kernel cannot run its first program, if it cannot. */
  readonly noInit?: string;
  /** Each requested module, and why the kernel cannot use it. */
  readonly modules: readonly EarlyModule[];
  readonly isEmpty: boolean;
}

export interface EarlyModule {
  readonly path: string;
  readonly fault?: { readonly weight: "unfit" | "unknown"; readonly why: string };
}

/**
 * Inspects an initramfs as its kernel would: whether there is a first program to run (`/init`, or `rdinit=`
 * of the kernel line), and whether the modules are modules of this kernel. `releases` are its possible names:
 * that in the kernel and that of its file. Without any, modules of every kernel are accepted.
 */
export async function lookInto(image: Uint8Array, { releases, args, isModule }: Asked): Promise<Early> {
  const { entries } = await initramfsEntries(image, isModule);
  const files = new Map(entries.map((entry) => [entry.path, entry]));
  const init = args.split(/\s+/).findLast((one) => one.startsWith("rdinit=")) ?? "rdinit=/init";
  const noInit = whyNoInit(files, init.slice("rdinit=".length));
  const modules: EarlyModule[] = [];
  for (const entry of files.values())
    if (isModule(entry.path)) {
      const fault = await moduleFault(entry, releases, files);
      modules.push({ path: entry.path, ...(fault && { fault }) });
    }
  return { modules, isEmpty: entries.length === 0, ...(noInit !== undefined && { noInit }) };
}

interface Asked {
  readonly releases: ReadonlySet<string>;
  readonly args: string;
  isModule(path: string): boolean;
}

type Files = ReadonlyMap<string, InitramfsEntry>;

function whyNoInit(files: Files, path: string): string | undefined {
  const init = resolved(files, path);
  if (!init) return `has no ${path}`;
  if (!isExecutable(init)) return `has a ${path} that is not a program`;
  const script = /^#![ \t]*(\/\S+)/.exec(Buffer.from(init.start).toString("latin1"))?.[1];
  if (script === undefined || resolved(files, script)) return undefined;
  return `has no ${script}, which its ${path} needs`;
}

// execve(2) accepts an ELF or a script with execute permission for somebody.
function isExecutable({ mode, size, start }: InitramfsEntry): boolean {
  const first = Buffer.from(start).toString("latin1", 0, 4);
  return (mode & 0o111) !== 0 && size > 0 && (first.startsWith("#!") || first === "\x7fELF");
}

const mostLinks = 40;

/** The file at a path, through links in the archive. */
function resolved(files: Files, path: string): InitramfsEntry | undefined {
  let left = path.split("/");
  let at = "";
  for (let links = 0; left.length > 0; ) {
    const [name = "", ...rest] = left;
    left = rest;
    at = posix.join(at, name).replace(/^(?:\.\.\/?)+|^[./]+$/, "");
    const target = files.get(at)?.target;
    if (target === undefined) continue;
    if (++links > mostLinks) return undefined;
    left = [...target.split("/"), ...left];
    at = target.startsWith("/") ? "" : posix.dirname(at);
  }
  const found = files.get(at);
  return found && (found.mode & 0o170000) === 0o100000 ? found : undefined;
}

const mostModuleBytes = 64 << 20;

async function moduleFault(
  { path, size, data }: InitramfsEntry,
  releases: ReadonlySet<string>,
  files: Files,
): Promise<EarlyModule["fault"]> {
  const [, folder] = /(?:^|\/)lib\/modules\/([^/]+)\//.exec(path) ?? [];
  const isOther = (release: string) => releases.size > 0 && !releases.has(release);
  const [own = ""] = releases;
  if (folder !== undefined && isOther(folder))
    return { weight: "unfit", why: `${path} is for the kernel ${folder}, but this one is ${own}` };
  if (data === undefined && size > 0)
    return { weight: "unknown", why: `${path} is too large for a module and was not read` };
  const packed = Buffer.from(data ?? new Uint8Array());
  const plain = compressionOf(packed) ? await unpack(packed, mostModuleBytes) : { data: packed };
  if ("why" in plain) return { weight: "unknown", why: `${path} could not be unpacked: ${plain.why}` };
  const made = madeFor(plain.data);
  if (made === undefined) return { weight: "unfit", why: `${path} is not a kernel module` };
  // With symbol versions, a kernel also accepts modules of another kernel with the same ones.
  if (isOther(made.release))
    return {
      weight: made.hasSymbolVersions ? "unknown" : "unfit",
      why: `${path} was built for the kernel ${made.release}, but this one is ${own}`,
    };
  const modulesFolder = path.slice(0, path.indexOf(`/${folder}/`) + `/${folder}`.length);
  const indexes = ["modules.dep", "modules.dep.bin"].map((name) => `${modulesFolder}/${name}`);
  if (folder !== undefined && !indexes.some((index) => files.has(index)))
    return { weight: "unknown", why: `modprobe cannot find ${path} without ${indexes[0]}` };
  return undefined;
}

/** The kernel that a module was built for: an ELF of relocatable code, with the text `vermagic=` of modinfo(8) in it. */
function madeFor(
  module: Buffer,
): { readonly release: string; readonly hasSymbolVersions: boolean } | undefined {
  if (module.length < 20 || module.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  if ((module[5] === 2 ? module.readUInt16BE(16) : module.readUInt16LE(16)) !== 1) return undefined;
  const at = module.indexOf("vermagic=");
  const magic = at < 0 ? "" : module.toString("latin1", at + "vermagic=".length, at + 512);
  const [release = ""] = /^[^\s\0]*/.exec(magic) ?? [];
  return release === "" ? undefined : { release, hasSymbolVersions: /^[^\0]*\bmodversions\b/.test(magic) };
}
