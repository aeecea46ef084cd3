import { posix } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { shown } from "../io/escape.ts";
import type { DiskEntry } from "../vm-cfg/devices.ts";
import type { SourceImage } from "./source.ts";

/** A disk of a vm.cfg that is a file, and where that file is. */
export interface Located {
  readonly entry: DiskEntry;
  /** The real path, on the machine that holds it. */
  readonly file: string;
  readonly data?: SourceImage["data"];
}

/** The kind of a path, on the machine that holds it. */
export interface RealPath {
  readonly kind: "file" | "folder" | "device" | "other" | "none";
  readonly path: string;
}

const lookScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for path; do
  real=$(readlink -f -- "$path") || real=
  if test -z "$real"; then kind=none
  elif test -f "$real"; then kind=file
  elif test -d "$real"; then kind=folder
  elif test -b "$real"; then kind=device
  elif test -e "$real"; then kind=other
  else kind=none
  fi
  printf '%s\\0%s\\0' "$kind" "$real"
done`;

/** Follows links, for all paths at once. */
export async function realPaths(host: Host, paths: readonly string[]): Promise<RealPath[]> {
  const { stdout } = await host.run(["sh", "-c", lookScript, "sh", ...paths]);
  const fields = stdout.split("\0");
  return paths.map((_, index) => ({
    kind: (fields[index * 2] || "none") as RealPath["kind"],
    path: fields[index * 2 + 1] ?? "",
  }));
}

/**
 * The repository of Oracle VM that contains a vm.cfg, by its path: `REPOSITORY/VirtualMachines/ID/vm.cfg`.
 * Oracle's Database Appliance has the same below `.ACFS/snaps/VM`.
 */
export function repositoryOf(
  config: string,
): { readonly root: string; readonly isTemplate: boolean } | undefined {
  const [, root, kind] = /^(.*)\/(VirtualMachines|Templates)\/[^/]+\/[^/]+$/.exec(config) ?? [];
  return root === undefined ? undefined : { root, isTemplate: kind === "Templates" };
}

/**
 * Finds the files of disks: at the path in vm.cfg, in its repository if that is mounted elsewhere, or beside vm.cfg. A
 * vm.cfg may be hostile: files outside `folders`, the repositories and its own folder are not read. All problems are
 * reported at once.
 */
export async function locateDisks(
  host: Host,
  config: string,
  entries: readonly DiskEntry[],
  folders: readonly string[],
): Promise<Located[]> {
  const folder = posix.dirname(config);
  const repository = repositoryOf(config)?.root;
  const allowed = [
    folder,
    ...(repository === undefined ? [] : [repository]),
    ...(config.startsWith("/OVS/Repositories/") ? ["/OVS/Repositories"] : []),
    ...folders,
  ];
  const roots = (await realPaths(host, allowed)).map(({ path }) => path);
  const isInside = (path: string) => roots.some((root) => root !== "" && path.startsWith(`${root}/`));
  const wanted = entries.map((entry) => ({ entry, paths: placesOf(entry, folder, repository) }));
  const looked = await realPaths(
    host,
    wanted.flatMap(({ paths }) => paths),
  );
  const [found, problems, outside]: [Located[], string[], string[]] = [[], [], []];
  let at = 0;
  for (const { entry, paths } of wanted) {
    const places = looked.slice(at, at + paths.length);
    at += paths.length;
    const there = places.filter(({ kind }) => kind !== "none");
    const file = there.find(({ kind, path }) => kind === "file" && isInside(path));
    const name = shown(entry.target ?? entry.text);
    if (file) found.push({ entry, file: file.path });
    else if (there.length === 0) problems.push(`its disk ${name} is missing`);
    else if (there.some(({ kind }) => kind === "file")) {
      problems.push(`its disk ${name} is outside its folder and its repository`);
      outside.push(posix.dirname(there[0]?.path ?? ""));
    } else problems.push(`its disk ${name} is not a file`);
  }
  for (const [index, one] of found.entries()) {
    const twin = found.slice(0, index).find(({ file }) => file === one.file);
    if (twin) problems.push(`two of its disks are the same file, ${shown(one.file)}`);
  }
  if (problems.length > 0)
    throw new TbuildError("usage", problems[0] ?? "", {
      subject: config,
      lines: problems.slice(1),
      hint:
        outside[0] === undefined
          ? "If disks are elsewhere, name the folder: --disks-in FOLDER."
          : `If its disks belong there: --disks-in ${shown(outside[0])}`,
    });
  return found;
}

function placesOf({ target = "" }: DiskEntry, folder: string, repository: string | undefined): string[] {
  const name = posix.basename(target);
  const inRepository = /^\/OVS\/Repositories\/[^/]+\/(.+)$/.exec(target)?.[1];
  return [
    posix.resolve(folder, target),
    ...(repository !== undefined && inRepository !== undefined ? [posix.join(repository, inRepository)] : []),
    ...(name === "" || name === "." || name === ".." ? [] : [posix.join(folder, name)]),
  ];
}
