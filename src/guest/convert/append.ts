import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { localHost, streamHere } from "../../host/local.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import type { GuestTree } from "../../image/tree.ts";
import { makeFolders } from "../../io/folders.ts";
import { writeFile } from "../../io/write-file.ts";
import { type CpioFile, cpioArchive, filled } from "./cpio.ts";
import { decompressors } from "./decompressors.ts";
import { type InitramfsEntry, initramfsEntries, type LastSegment } from "./initramfs.ts";
import { concernsLoading, loadingFiles } from "./loading.ts";
import { concernsLvm, lvmFixes } from "./lvm.ts";
import { moduleName } from "./modules.ts";

/**
 * Adds kernel modules to an initramfs, with files that load them in this order and let LVM find its volumes.
 * The kernel unpacks the archives of an initramfs one after the other. So another archive is appended, and
 * the existing ones do not change. `modules` are paths below `/lib/modules/VERSION`; each follows its
 * dependencies.
 */
export async function withModules(
  image: Uint8Array,
  tree: GuestTree,
  { version, modules }: { readonly version: string; readonly modules: readonly string[] },
): Promise<Uint8Array> {
  const isOfKernel = (path: string) => path.replace(/^usr\//, "").startsWith(`lib/modules/${version}/`);
  const { entries, last } = await initramfsEntries(
    image,
    (path) => isOfKernel(path) || concernsLoading(path) || concernsLvm(path),
  );
  const before = new Map(entries.map((entry) => [entry.path, entry]));
  const folder = `${libraryFolder(before, isOfKernel)}/modules/${version}`;
  const added: CpioFile[] = [];
  for (const path of modules) {
    if (before.has(`${folder}/${path}`)) continue;
    const data = await tree.read(`/lib/modules/${version}/${path}`);
    if (data === undefined)
      throw new TbuildError("guest", "is listed in modules.dep, but does not exist", {
        subject: `/lib/modules/${version}/${path}`,
        hint: "Reinstall the kernel's package in the guest.",
      });
    added.push({ path: `${folder}/${path}`, mode: 0o644, data });
  }
  const loading =
    modules.length === 0 ? undefined : loadingFiles(before, added, modules.map(moduleName).filter(isPlain));
  const index = loading?.usesIndex ? await moduleIndex(tree, version, folder, before, added) : [];
  const files = [...added, ...index, ...(loading?.files ?? []), ...lvmFixes(entries)].filter(
    ({ path }) => !loading?.replaced.includes(path),
  );
  return joined(image, last, cpioArchive([...missingFolders(before, files), ...files]));
}

// The names are used in scripts.
function isPlain(name: string): boolean {
  return /^\w[\w-]*$/.test(name);
}

// If /lib is a link into /usr, a folder `lib` in the archive would replace the link.
function libraryFolder(
  before: ReadonlyMap<string, InitramfsEntry>,
  isOfKernel: (path: string) => boolean,
): string {
  const there = [...before.keys()].find(isOfKernel);
  if (there !== undefined) return there.startsWith("usr/") ? "usr/lib" : "lib";
  return isLink(before.get("lib")) ? "usr/lib" : "lib";
}

function isLink(entry: InitramfsEntry | undefined): boolean {
  return entry !== undefined && (entry.mode & 0o170000) === 0o120000;
}

function missingFolders(
  before: ReadonlyMap<string, InitramfsEntry>,
  files: readonly CpioFile[],
): readonly CpioFile[] {
  const wanted = new Set<string>();
  for (const { path } of files)
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) wanted.add(path.slice(0, at));
  return [...wanted]
    .filter((path) => !before.has(path))
    .sort()
    .map((path) => ({ path, mode: 0o755 }));
}

/** The index in which modprobe looks up modules. depmod makes it for the existing and the added ones. */
async function moduleIndex(
  tree: GuestTree,
  version: string,
  folder: string,
  before: ReadonlyMap<string, InitramfsEntry>,
  added: readonly CpioFile[],
): Promise<CpioFile[]> {
  // It becomes a path here, and a word of a command line.
  if (!/^\d+\.\d+[\w.+~-]*$/.test(version))
    throw new TbuildError("guest", "is not a kernel version", { subject: `/lib/modules/${version}` });
  await using work = await temporaryFolder("depmod");
  const base = join(work.path, "lib/modules", version);
  await makeFolders(base);
  const isModule = (path: string) => /\.ko(?:\.\w+)?$/.test(path);
  const modules = [...before.values(), ...added].filter(
    ({ path, data }) => path.startsWith(`${folder}/`) && isModule(path) && data !== undefined,
  );
  for (const { path, data } of modules) {
    const inside = path.slice(folder.length + 1);
    // The names come from the guest.
    if (inside.split("/").includes("..")) continue;
    const to = join(base, inside);
    await makeFolders(dirname(to));
    await writeFile(to, data ?? new Uint8Array());
  }
  for (const name of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    const data = await tree.read(`/lib/modules/${version}/${name}`);
    if (data) await writeFile(join(base, name), data);
  }
  await localHost().run(["depmod", "-b", work.path, version]);
  const made: CpioFile[] = [];
  for (const name of (await readdir(base)).sort())
    if (/^modules\.(?!order$|builtin$|builtin\.modinfo$)/.test(name))
      made.push({ path: `${folder}/${name}`, mode: 0o644, data: await readFile(join(base, name)) });
  return made;
}

/**
 * The archive is appended without compression, which every kernel reads. But kernels before 5.12 treat
 * anything after lz4's old format as a damaged part of it (lib/decompress_unlz4.c). There, the last segment
 * is unpacked and packed again with it.
 */
async function joined(image: Uint8Array, last: LastSegment, archive: Buffer): Promise<Uint8Array> {
  const data = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const isOldLz4 = last.format === "lz4" && data.readUInt32BE(last.start) === 0x02214c18;
  if (!isOldLz4) return Buffer.concat([filled(data, 4), archive]);
  const unpack = decompressors.find(({ name }) => name === "lz4")?.argv ?? [];
  const whole = [...(await all(streamHere(unpack, data.subarray(last.start))))];
  const packed = await all(
    streamHere(["lz4", "-l", "-9", "-c"], Buffer.concat([filled(Buffer.concat(whole), 4), archive])),
  );
  return Buffer.concat([data.subarray(0, last.start), ...packed]);
}

async function all(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for await (const part of parts) found.push(part);
  return found;
}
