import type { Reader } from "../../io/reader.ts";
import type { Volume } from "../access.ts";
import { BtrfsSuperblock } from "../btrfs/superblock.ts";
import { bitsOf } from "../ext/features.ts";
import { Superblock } from "../ext/superblock.ts";
import { fatIdentityIn } from "../fat/boot-sector.ts";
import { hasXfsLog } from "../xfs/log.ts";
import { XfsSuperblock } from "../xfs/superblock.ts";
import { physicalLabelIn } from "./lvm.ts";
import { claimOn } from "./members.ts";
import { swapAreaIn } from "./swap.ts";

export interface FileSystem {
  readonly fs: Volume["fs"];
  readonly uuid?: string;
  readonly label?: string;
  /** Its own size in bytes. */
  readonly bytes?: number;
  /** Its journal contains changes that are not in place yet, or it is marked as damaged. */
  readonly isDirty?: true;
  /** True for an LVM2 physical volume. */
  readonly lvm?: true;
  /** The kind of an unsupported one, if recognised. */
  readonly holds?: string;
  /** Describes something that cannot be opened. */
  readonly refused?: string;
}

/** The contents of a volume, from its superblock. */
export async function fileSystemOf(volume: Reader): Promise<FileSystem> {
  const head = Buffer.alloc(70 * 1024);
  head.set(await volume.read(0, Math.min(head.length, volume.bytes)));
  const at = (offset: number, text: string) => head.toString("latin1", offset, offset + text.length) === text;
  const claim = await claimOn(volume);
  if (claim !== undefined) return { fs: "unknown", refused: claim };
  if (physicalLabelIn(head) !== undefined) return { fs: "unknown", lvm: true };
  const extHead = new Superblock(head.subarray(Superblock.offset, Superblock.offset + Superblock.bytes));
  if (extHead.isExt) return ext(extHead);
  const xfs = new XfsSuperblock(head);
  if (xfs.isXfs) {
    const isDirty = await hasXfsLog(volume, xfs);
    return {
      fs: "xfs",
      bytes: xfs.bytes,
      ...(isDirty && { isDirty }),
      ...identity(uuidOf(xfs.uuid), text(xfs.label)),
    };
  }
  const btrfs = new BtrfsSuperblock(head.subarray(BtrfsSuperblock.offset));
  if (btrfs.isBtrfs && btrfs.devices > 1n)
    return { fs: "unknown", refused: `is one of ${btrfs.devices} devices of a btrfs` };
  if (btrfs.isBtrfs)
    return {
      fs: "btrfs",
      ...identity(uuidOf(btrfs.uuid), text(btrfs.label)),
      ...(btrfs.hasLog && { isDirty: true }),
    };
  const swap = at(0, tuxOnIce) ? undefined : swapAreaIn(head.subarray(0, Math.min(65536, volume.bytes)));
  if (swap) {
    const { uuid, label } = swap;
    return { fs: "swap", ...(uuid !== undefined && { uuid }), ...(label !== undefined && { label }) };
  }
  const fat = fatIdentityIn(head);
  if (fat) return { fs: "vfat", ...identity(fat.id, text(fat.label)) };
  const other = others.find(({ places, text }) => places.some((place) => at(place, text)));
  return { fs: "unknown", ...(other && { holds: other.what }) };
}

// It leaves the signature of the swap area in place.
const tuxOnIce = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c";

// Only to name them in messages. The offsets are libblkid's.
const others: readonly {
  readonly what: string;
  readonly places: readonly number[];
  readonly text: string;
}[] = [
  { what: "a machine that TuxOnIce suspended", places: [0], text: tuxOnIce },
  { what: "an Oracle ASM disk", places: [32], text: "ORCLDISK" },
  { what: "OCFS2", places: [1024, 2048, 4096, 8192], text: "OCFSV2" },
  { what: "NTFS", places: [3], text: "NTFS    " },
  { what: "exFAT", places: [3], text: "EXFAT   " },
  { what: "ReiserFS", places: [65536 + 52, 8192 + 52], text: "ReIsEr" },
  { what: "JFS", places: [32768], text: "JFS1" },
  { what: "F2FS", places: [1024], text: "\x10\x20\xf5\xf2" },
  { what: "GFS2", places: [65536], text: "\x01\x16\x19\x70" },
  { what: "NILFS2", places: [1024 + 6], text: "\x34\x34" },
  { what: "EROFS", places: [1024], text: "\xe2\xe1\xf5\xe0" },
  { what: "HFS+", places: [1024], text: "H+" },
  { what: "APFS", places: [32], text: "NXSB" },
  { what: "squashfs", places: [0], text: "hsqs" },
  { what: "ISO 9660", places: [32769], text: "CD001" },
  { what: "UDF", places: [32769], text: "BEA01" },
];

const ext3Features = {
  incompatible: bitsOf("incompatible", "filetype", "needs_recovery", "journal_dev", "meta_bg"),
  readOnly: bitsOf("readOnly", "sparse_super", "large_file", "btree_dir"),
};

// ext3 has a journal; ext4 has a feature that ext3 does not know.
function ext(sb: Superblock): FileSystem {
  if (sb.has("incompatible", "journal_dev"))
    return { fs: "unknown", holds: "the journal of an ext file system" };
  const isNewer =
    (sb.incompatible & ~ext3Features.incompatible) !== 0 || (sb.readOnly & ~ext3Features.readOnly) !== 0;
  const fs = isNewer ? "ext4" : sb.has("compatible", "has_journal") ? "ext3" : "ext2";
  const bytes = sb.blocks * 1024 * 2 ** Math.min(sb.blockLog, Superblock.mostBlockLog);
  const isDirty = sb.has("incompatible", "needs_recovery") || sb.hasErrors;
  return { fs, bytes, ...(isDirty && { isDirty }), ...identity(uuidOf(sb.uuid), text(sb.label)) };
}

function identity(uuid: string, label: string): Pick<FileSystem, "uuid" | "label"> {
  return { uuid, ...(label !== "" && { label }) };
}

function uuidOf(data: Buffer): string {
  return data.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function text(data: Buffer): string {
  return data.toString("utf8").replace(/\0.*$/s, "").trimEnd();
}
