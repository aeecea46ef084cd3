import { TbuildError } from "../../errors.ts";
import type { Volume } from "../../image/access.ts";
import { insideOf, type Layout } from "../../image/disk/disk.ts";
import { type Ext, openExt } from "../../image/ext/ext.ts";
import { GuestTree } from "../../image/tree.ts";
import type { Reader } from "../../io/reader.ts";
import { extlinuxMenu, grub2Menu, legacyMenu, type Menu, MenuFault } from "./menus.ts";

/** What pygrub would boot, and off which volume. */
export interface PygrubChoice {
  readonly volume: Volume;
  readonly files: GuestTree;
  readonly config: string;
  readonly title: string;
  readonly kernel: string;
  readonly initrd?: string;
  readonly args: string;
  /** Menus of the same volume that this one wins over. */
  readonly passedOver: readonly string[];
}

export interface Pygrub {
  readonly choice?: PygrubChoice;
  /** Why a volume gave nothing, in pygrub's order. */
  readonly refused: readonly string[];
  /** What pygrub may read, and tbuild did not. */
  readonly unknown: readonly string[];
}

// In the order of pygrub of Xen 4.17 (read_config).
const places: readonly (readonly [string, (text: string) => Menu])[] = [
  ...["/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg"].map(
    (path) => [path, grub2Menu] as const,
  ),
  ...[
    "/boot/isolinux/isolinux.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux/extlinux.conf",
    "/extlinux.conf",
  ].map((path) => [path, extlinuxMenu] as const),
  ...["/boot/grub/menu.lst", "/boot/grub/grub.conf", "/grub/menu.lst", "/grub/grub.conf"].map(
    (path) => [path, legacyMenu] as const,
  ),
];

const mostMenuBytes = 1 << 20;

/**
 * Looks for a kernel as pygrub does: the partitions of the table in its order, or the whole disk; logical ones and
 * those of LVM it does not see. The first whose menu names a kernel is the one, whether the kernel is there or not.
 */
export async function pygrubOf(disk: Reader, layout: Layout): Promise<Pygrub> {
  const [refused, unknown]: [string[], string[]] = [[], []];
  const volumes = layout.volumes.filter(
    ({ name }) => /^(?:disk|p[1-4])$/.test(name) || (layout.table === "gpt" && /^p\d+$/.test(name)),
  );
  for (const volume of volumes) {
    if (["swap", "vfat", "btrfs"].includes(volume.fs)) {
      if (volume.fs === "btrfs") refused.push(`${volume.name}: pygrub does not read btrfs`);
      continue;
    }
    if (volume.fs === "xfs") {
      const why = await xfsRefusal(insideOf(disk, volume));
      if (why) refused.push(`${volume.name}: ${why}`);
      else unknown.push(`${volume.name}: pygrub may read this XFS, and tbuild did not look into it`);
      continue;
    }
    if (!volume.fs.startsWith("ext")) continue;
    const inside = insideOf(disk, volume);
    if (await hasBigalloc(inside)) {
      refused.push(`${volume.name}: pygrub does not read ext4 with bigalloc`);
      continue;
    }
    try {
      const found = await menuOf(volume, treeOf(await openExt(inside)));
      if (typeof found !== "string") return { choice: found, refused, unknown };
      refused.push(`${volume.name}: ${found}`);
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      unknown.push(`${volume.name}: ${error.message}`);
    }
  }
  return { refused, unknown };
}

async function menuOf(volume: Volume, files: GuestTree): Promise<PygrubChoice | string> {
  const there: (readonly [string, (text: string) => Menu])[] = [];
  for (const place of places) if (await existsIn(files, place[0])) there.push(place);
  const [first, ...others] = there;
  if (!first) return "holds no boot menu where pygrub looks";
  const [config, parse] = first;
  const bytes = ((await files.read(config)) ?? new Uint8Array()).subarray(0, mostMenuBytes);
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const { entries, chosen } = parse(text);
    const entry = entries[chosen];
    if (!entry)
      return `${config}: has no entry that pygrub reads${/^\s*blscfg\b/m.test(text) ? "; it takes them from loader/entries, which pygrub does not know" : ""}`;
    if (entry.kernel === undefined)
      return `${config}: its entry "${entry.title}" has no kernel that pygrub reads`;
    return {
      volume,
      files,
      config,
      title: entry.title,
      kernel: entry.kernel,
      ...(entry.initrd !== undefined && { initrd: entry.initrd }),
      args: entry.args ?? "",
      passedOver: others.map(([path]) => path),
    };
  } catch (error) {
    if (error instanceof MenuFault) return `${config}: ${error.message}`;
    if (error instanceof TypeError) return `${config}: is not in UTF-8, and pygrub gives up on it`;
    throw error;
  }
}

export async function existsIn(files: GuestTree, path: string): Promise<boolean> {
  const absolute = path.startsWith("/") ? path : `/${path}`;
  const found = await files.stat(absolute);
  return found?.kind === "link" ? (await files.read(absolute)) !== undefined : found?.kind === "file";
}

// Kernels and initramfs stay far below; a hole of any size can be called either.
const mostBytes = 256 << 20;

/** One file system by itself: what lies below a mount point of the guest is seen, and its other volumes are not. */
function treeOf(ext: Ext): GuestTree {
  const readOnly = async () => {
    throw new Error("a boot menu is read-only");
  };
  return new GuestTree({
    stat: (path) => ext.stat(path),
    list: (path) => ext.list(path),
    async readFile(path) {
      const bytes = (await ext.stat(path))?.size ?? 0;
      if (bytes > mostBytes)
        throw new TbuildError("guest", `${bytes} bytes exceed the limit`, { subject: path });
      return ext.readFile(path);
    },
    writeFile: readOnly,
    makeDir: readOnly,
    makeLink: readOnly,
    unlink: readOnly,
    [Symbol.asyncDispose]: async () => {},
  });
}

// xenfsimage knows version 4 without names' kinds in its folders (xfs.h: XFS_SB_VERSION_NUM, no ftype).
async function xfsRefusal(volume: Reader): Promise<string | undefined> {
  const head = Buffer.from(await volume.read(0, 264));
  if ((head.readUInt16BE(100) & 0xf) >= 5) return "pygrub does not read XFS of version 5";
  return (head.readUInt32BE(200) & 0x200) !== 0 ? "pygrub does not read XFS with ftype=1" : undefined;
}

async function hasBigalloc(volume: Reader): Promise<boolean> {
  return (Buffer.from(await volume.read(1024, 104)).readUInt32LE(100) & 0x200) !== 0;
}
