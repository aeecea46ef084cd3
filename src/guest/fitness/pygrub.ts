import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Volume } from "../../image/access.ts";
import { insideOf, type Layout } from "../../image/disk/disk.ts";
import { Superblock } from "../../image/ext/superblock.ts";
import type { Format } from "../../image/file/format.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Reader } from "../../io/reader.ts";
import { extlinuxMenu, grub2Menu, legacyMenu, type Menu, MenuFault } from "./menus.ts";
import type { ExtFeature, PygrubTraits } from "./targets.ts";
import { filesOf, kindOf } from "./volume-files.ts";

/** The kernel that pygrub would boot, and its volume. */
export interface PygrubChoice {
  readonly volume: Volume;
  readonly files: GuestTree;
  readonly config: string;
  readonly title: string;
  readonly kernel: string;
  readonly initrd?: string;
  readonly args: string;
  /** Menus on the same volume that this one takes precedence over. */
  readonly passedOver: readonly string[];
  /** Features of that volume that some versions of pygrub cannot read. */
  readonly features: readonly ExtFeature[];
  /** Whether it is the first volume that some pygrub could read. */
  readonly isFirst: boolean;
}

/** Its files can be read until it is disposed of. */
export interface Pygrub extends AsyncDisposable {
  readonly choice?: PygrubChoice;
  /** Why each volume was skipped, in pygrub's order. */
  readonly refused: readonly string[];
  /** Volumes that pygrub may read, but tbuild did not. */
  readonly unknown: readonly string[];
}

type Place = readonly [path: string, parse: (text: string) => Menu];
const grub2Places: readonly Place[] = [
  "/boot/grub/grub.cfg",
  "/grub/grub.cfg",
  "/boot/grub2/grub.cfg",
  "/grub2/grub.cfg",
].map((path) => [path, grub2Menu]);
const extlinuxPlaces: readonly Place[] = [
  "/boot/isolinux/isolinux.cfg",
  "/boot/extlinux/extlinux.conf",
  "/boot/extlinux.conf",
  "/extlinux/extlinux.conf",
  "/extlinux.conf",
].map((path) => [path, extlinuxMenu]);
const legacyPlaces: readonly Place[] = [
  "/boot/grub/menu.lst",
  "/boot/grub/grub.conf",
  "/grub/menu.lst",
  "/grub/grub.conf",
].map((path) => [path, legacyMenu]);

/**
 * Which menu and volume take precedence: `grub2` is the order of Xen 4.17 (read_config of its pygrub), `legacy` that of
 * older versions.
 */
export type MenuOrder = "grub2" | "legacy";
const orders: Readonly<Record<MenuOrder, readonly Place[]>> = {
  grub2: [...grub2Places, ...extlinuxPlaces, ...legacyPlaces],
  legacy: [...legacyPlaces, ...grub2Places, ...extlinuxPlaces],
};

const mostMenuBytes = 1 << 20;

/** A disk image and its partitions and volumes. */
export interface BootDisk {
  readonly host: Host;
  readonly file: string;
  readonly format: Format;
  readonly disk: Reader;
  readonly layout: Layout;
}

/**
 * Looks for a kernel as pygrub does: in the partitions of the table, in its order, or in the whole disk. It
 * does not see logical partitions and logical volumes. The first volume whose menu names a kernel is used,
 * even if the kernel is missing.
 */
export async function pygrubOf(boot: BootDisk, traits: PygrubTraits, order: MenuOrder): Promise<Pygrub> {
  const { disk, layout } = boot;
  const [refused, unknown]: [string[], string[]] = [[], []];
  const seen = seenBy(layout);
  const active = order === "legacy" && layout.table === "mbr" ? await activeOf(disk) : undefined;
  const volumes = [
    ...seen.filter(({ name }) => name === active),
    ...seen.filter(({ name }) => name !== active),
  ];
  for (const volume of volumes) {
    if (volume.fs === "swap") continue;
    const inside = insideOf(disk, volume);
    const why = await refusalOf(volume, inside, traits);
    if (why !== undefined) refused.push(`${volume.name}: ${why}`);
    if (why !== undefined || !["ext2", "ext3", "ext4", "xfs", "vfat"].includes(volume.fs)) continue;
    let files: GuestTree | undefined;
    try {
      files = await filesOf(boot, volume, inside);
      const found = await menuOf(volume, files, orders[order]);
      if (typeof found !== "string") {
        const features = await featuresOf(volume, inside);
        const choice = { ...found, features, isFirst: volume === volumes[0] };
        const opened = files;
        files = undefined;
        return { choice, refused, unknown, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
      }
      refused.push(`${volume.name}: ${found}`);
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      unknown.push(`${volume.name}: ${error.message}`);
    } finally {
      await files?.[Symbol.asyncDispose]();
    }
  }
  return { refused, unknown, [Symbol.asyncDispose]: async () => {} };
}

// Linux's swap has the same type as Solaris had. Without a Solaris table in it, pygrub skips it.
const solarisTypes = ["82", "bf"];

/** The offsets of the status in the four entries of an MBR. */
const statusAt = [446, 462, 478, 494];
const active = 0x80;

/** The active partition of an MBR. With Python 2, pygrub looks there first; with Python 3 it never finds out which one it is. */
async function activeOf(disk: Reader): Promise<string | undefined> {
  const sector = await disk.read(0, 512);
  const index = statusAt.findLastIndex((at) => sector[at] === active);
  return index < 0 ? undefined : `p${index + 1}`;
}

// The first member of a mirror looks like a partition if its superblock is at the end.
function seenBy({ volumes, arrays, table }: Layout): Volume[] {
  const numberOf = ({ name }: Volume) => {
    const [first] = arrays.find((array) => array.name === name)?.legs ?? [];
    const partition = first && first.whole.offset === first.offset ? first.name : name;
    const number = partition === "disk" ? "0" : /^p(\d+)$/.exec(partition)?.[1];
    return number !== undefined && (table === "gpt" || Number(number) <= 4) ? Number(number) : undefined;
  };
  return volumes
    .filter(({ partType = "" }) => !solarisTypes.includes(partType))
    .flatMap((volume) => {
      const number = numberOf(volume);
      return number === undefined ? [] : [{ number, volume }];
    })
    .sort((one, other) => one.number - other.number)
    .map(({ volume }) => volume);
}

async function refusalOf(volume: Volume, inside: Reader, traits: PygrubTraits): Promise<string | undefined> {
  if (volume.fs === "btrfs") return `${traits.title} does not read btrfs`;
  if (volume.fs === "xfs") return xfsRefusal(inside, traits);
  if (!volume.fs.startsWith("ext")) return undefined;
  if (await hasBigalloc(inside)) return `${traits.title} does not read ext4 with bigalloc`;
  const feature = (await featuresOf(volume, inside)).find((one) => traits.refusedFeatures.includes(one));
  return feature && `${traits.title} does not read ext4 with ${feature}`;
}

async function menuOf(
  volume: Volume,
  files: GuestTree,
  places: readonly Place[],
): Promise<Omit<PygrubChoice, "features" | "isFirst"> | string> {
  const there: Place[] = [];
  for (const place of places) if ((await kindOf(files, place[0])) !== undefined) there.push(place);
  const [first, ...others] = there;
  if (!first) return "contains no boot menu in the places where pygrub looks";
  const [config, parse] = first;
  if ((await kindOf(files, config)) !== "file")
    return `${config}: is not a file, and pygrub looks no further`;
  const bytes = ((await files.read(config)) ?? new Uint8Array()).subarray(0, mostMenuBytes);
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const { entries, chosen } = parse(text);
    const entry = entries[chosen];
    if (!entry)
      return `${config}: has no entry that pygrub reads${/^\s*blscfg\b/m.test(text) ? "; they are in loader/entries, which pygrub does not know" : ""}`;
    if (entry.kernel === undefined)
      return `${config}: its entry "${entry.title}" has no kernel that pygrub can read`;
    return {
      volume,
      files,
      config,
      title: entry.title,
      kernel: entry.kernel,
      ...(entry.initrd && { initrd: entry.initrd }),
      args: entry.args ?? "",
      passedOver: others.map(([path]) => path),
    };
  } catch (error) {
    if (error instanceof MenuFault) return `${config}: ${error.message}`;
    if (error instanceof TypeError) return `${config}: is not in UTF-8, so pygrub gives up on it`;
    throw error;
  }
}

/** Offsets in the superblock of XFS: `sb_versionnum` and `sb_features2` (fs/xfs/libxfs/xfs_format.h of Linux). */
const xfsAt = { version: 100, features: 200, end: 264 } as const;
const [versionMask, fileTypes] = [0xf, 0x200];

// Xen's libfsimage reads XFS of version 4 whose folders do not store the types of files (fsys_xfs.c and xfs.h of 4.17).
// That code comes from GRUB 0.97 and has not changed since 2010, so older releases read no more.
async function xfsRefusal(volume: Reader, { title, readsOldXfs }: PygrubTraits): Promise<string | undefined> {
  const head = Buffer.from(await volume.read(0, xfsAt.end));
  if ((head.readUInt16BE(xfsAt.version) & versionMask) >= 5) return `${title} does not read XFS of version 5`;
  if ((head.readUInt32BE(xfsAt.features) & fileTypes) !== 0) return `${title} does not read XFS with ftype=1`;
  return readsOldXfs ? undefined : `${title} does not read XFS`;
}

async function hasBigalloc(volume: Reader): Promise<boolean> {
  return (await Superblock.of(volume)).has("readOnly", "bigalloc");
}

async function featuresOf(volume: Volume, inside: Reader): Promise<ExtFeature[]> {
  if (!volume.fs.startsWith("ext")) return [];
  const superblock = await Superblock.of(inside);
  return [
    ...(superblock.has("incompatible", "64bit") ? (["64bit"] as const) : []),
    ...(superblock.has("readOnly", "metadata_csum") ? (["metadata_csum"] as const) : []),
  ];
}
