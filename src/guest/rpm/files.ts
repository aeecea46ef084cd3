import { TbuildError } from "../../errors.ts";
import { stringOf } from "../../image/names.ts";
import type { GuestTree } from "../../image/tree.ts";
import { RpmHeader } from "../../io/rpm-header.ts";
import { readHeaders, unlessDamaged } from "./database.ts";
import { parseHeader } from "./header.ts";

/** A file as its package installed it. */
export interface PackageFile {
  readonly package: string;
  readonly bytes: number;
  /** MD5 in hex up to EL5, then SHA-256; empty if it is not a regular file. */
  readonly digest: string;
  /** True for a configuration file, which people change. */
  readonly isConfig: boolean;
}

// RPMTAG_* and RPMFILE_* of rpm's lib/rpmtag.h and lib/rpmfiles.h.
const tags = {
  sizes: 1028,
  longSizes: 5008,
  digests: 1035,
  flags: 1037,
  dirIndexes: 1116,
  names: 1117,
  dirs: 1118,
  oldNames: 1027,
};
const [config, ghost] = [1, 64];

/** All files of packages, without running the guest's programs; `undefined` without an rpm database. */
export async function readPackageFiles(
  tree: GuestTree,
): Promise<ReadonlyMap<string, PackageFile> | undefined> {
  const headers = await readHeaders(tree);
  if (!headers) return undefined;
  const moved = await movedFolders(tree);
  const found = new Map<string, PackageFile>();
  unlessDamaged(() => {
    for (const header of headers) addFiles(header, found, moved);
  });
  return found;
}

/** Like `readPackageFiles`. If the database cannot be read, `limits` says so, and no file counts as a package's. */
export async function packageFilesOr(
  tree: GuestTree,
  limits: string[],
): Promise<ReadonlyMap<string, PackageFile> | undefined> {
  try {
    return await readPackageFiles(tree);
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    limits.push(`which files belong to packages is unknown: ${error.message}`);
    return undefined;
  }
}

// Since the move to /usr, /bin and its like are links, and older packages name files through them.
async function movedFolders(tree: GuestTree): Promise<ReadonlyMap<string, string>> {
  const moved = new Map<string, string>();
  for (const name of ["bin", "sbin", "lib", "lib64"])
    if ((await tree.stat(`/${name}`))?.kind === "link") moved.set(`/${name}/`, `/usr/${name}/`);
  return moved;
}

function addFiles(header: Buffer, found: Map<string, PackageFile>, moved: ReadonlyMap<string, string>): void {
  const read = RpmHeader.of(header);
  if (!read) return;
  const owner = parseHeader(header)?.name ?? "";
  const strings = (tag: number) => read.texts(tag).map(stringOf);
  const names = strings(tags.names);
  const dirs = strings(tags.dirs);
  const [dirIndexes, flags] = [read.numbers(tags.dirIndexes), read.numbers(tags.flags)];
  const sizes = read.numbers(read.has(tags.sizes) ? tags.sizes : tags.longSizes);
  const digests = strings(tags.digests);
  const paths =
    names.length > 0
      ? names.map((name, at) => (dirs[dirIndexes[at] ?? 0] ?? "/") + name)
      : strings(tags.oldNames);
  for (const [at, path] of paths.entries()) {
    const flag = flags[at] ?? 0;
    // Longer ones are not valid paths (PATH_MAX), and a folder's name is part of all its files' paths.
    if ((flag & ghost) !== 0 || path.length > 4096) continue;
    const folder = path.slice(0, path.indexOf("/", 1) + 1);
    const real = moved.has(folder) ? `${moved.get(folder)}${path.slice(folder.length)}` : path;
    found.set(real, {
      package: owner,
      bytes: sizes[at] ?? -1,
      digest: digests[at] ?? "",
      isConfig: (flag & config) !== 0,
    });
  }
}
