import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Volume } from "../../image/access.ts";
import { type Ext, openExt } from "../../image/ext/ext.ts";
import { Unfit } from "../../image/ext/faults.ts";
import { type Fat, openFat } from "../../image/fat/fat.ts";
import type { Format } from "../../image/file/format.ts";
import { openByBest } from "../../image/open-volumes.ts";
import { GuestTree } from "../../image/tree.ts";
import type { Reader } from "../../io/reader.ts";
import { orReason } from "./finding.ts";

/** Whether there is a file at a path, through links. */
export async function existsIn(files: GuestTree, path: string): Promise<boolean> {
  return (await kindOf(files, path)) === "file";
}

/** Whether pygrub finds a file: its libext2fs takes two slashes in a row for a folder without a name. */
export async function isFoundBy(files: GuestTree, path: string): Promise<boolean> {
  return !path.includes("//") && (await existsIn(files, path));
}

/** The entry at a path, through links; `undefined` for a dangling or cyclic link. */
export async function kindOf(files: GuestTree, path: string): Promise<string | undefined> {
  const absolute = path.startsWith("/") ? path : `/${path}`;
  const found = await files.stat(absolute);
  if (found?.kind !== "link") return found?.kind;
  const asked = await orReason(files.read(absolute));
  return "value" in asked && asked.value !== undefined ? "file" : undefined;
}

// Kernels and initramfs are far smaller. A sparse file of any size can have their name.
const mostBytes = 256 << 20;

/**
 * One file system by itself. It shows files below mount points, but not the guest's other volumes. User-mode
 * Linux reads file systems that are not read in process: this machine's kernel mounts nothing.
 */
export async function filesOf(
  boot: { readonly host: Host; readonly file: string; readonly format: Format },
  volume: Volume,
  inside: Reader,
): Promise<GuestTree> {
  const read = await readInProcess(volume, inside);
  if (read)
    return boundedTree({
      ...readOnly,
      stat: read.stat.bind(read),
      list: read.list.bind(read),
      readFile: read.readFile.bind(read),
    });
  const { host, file, format } = boot;
  const opened = await openByBest(host, { file, format }, [{ at: "/", volume }], {
    via: "uml",
    readOnly: true,
  });
  return boundedView(opened.tree, () => opened[Symbol.asyncDispose]());
}

async function readInProcess({ fs }: Volume, inside: Reader): Promise<Ext | Fat | undefined> {
  if (fs === "xfs") return undefined;
  return fs === "vfat" ? openFat(inside) : openExt(inside).catch(onlyOtherWays);
}

/** The same files, but none larger than a boot needs is read. */
export function boundedView(tree: GuestTree, close: () => PromiseLike<void> = async () => {}): GuestTree {
  return boundedTree({
    ...readOnly,
    stat: (path) => tree.stat(path),
    list: (path) => tree.list(path),
    readFile: async (path) => (await tree.read(path)) ?? new Uint8Array(),
    [Symbol.asyncDispose]: close,
  });
}

function onlyOtherWays(error: unknown): undefined {
  if (!(error instanceof Unfit)) throw error;
  return undefined;
}

const refuse = async () => {
  throw new Error("a boot menu is read-only");
};
const readOnly = {
  writeFile: refuse,
  makeDir: refuse,
  makeLink: refuse,
  unlink: refuse,
  [Symbol.asyncDispose]: async () => {},
};

function boundedTree(raw: ConstructorParameters<typeof GuestTree>[0]): GuestTree {
  return new GuestTree({
    ...raw,
    async readFile(path) {
      const bytes = (await raw.stat(path))?.size ?? 0;
      if (bytes > mostBytes)
        throw new TbuildError("guest", `${bytes} bytes exceed the limit`, { subject: path });
      return raw.readFile(path);
    },
  });
}
