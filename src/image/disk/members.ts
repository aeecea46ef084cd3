import type { Reader } from "../../io/reader.ts";
import { isMdMember } from "./md.ts";

/**
 * What else claims a volume, worded to follow its name: it is part of something larger, or encrypted, so its apparent
 * contents are not its real ones. `undefined` if nothing does. For example, the ext in one leg of a RAID1 looks
 * complete, but editing it alone would make it differ from the other leg.
 *
 * The signatures at the start and the end are those that libblkid knows with the usages "raid" and "crypto"
 * (util-linux, libblkid/src/superblocks/). They are read without running blkid, so that a scan of many images stays cheap.
 */
export async function claimOn(volume: Reader): Promise<string | undefined> {
  const head = await windowAt(volume, 0, 8 * 1024);
  const tail = await windowAt(volume, volume.bytes - tailBytes, tailBytes);
  for (const { what, test } of claims) if (await test({ volume, head, tail })) return what;
  return undefined;
}

/** The claim of a Linux software RAID. What keeps its array from being opened may follow it. */
export const mdClaim = "is a member of a Linux software RAID (MD)";

/** What to do with a volume that has this claim: a sentence or two. */
export function nextStep(claim: string): string {
  const { next } = claims.find(({ what }) => claim.startsWith(what)) ?? {};
  return next ?? "Attach the disk to a machine that can open it, and change the guest there.";
}

/** Bytes and their offset in the volume. Everything outside the volume reads as zeros. */
class Window {
  readonly start: number;
  readonly #bytes: Buffer;

  constructor(start: number, bytes: Buffer) {
    this.start = start;
    this.#bytes = bytes;
  }

  /** `length` bytes at `offset` of the volume. */
  at(offset: number, length: number): Buffer {
    const found = Buffer.alloc(length);
    const from = offset - this.start;
    if (from + length > 0 && from < this.#bytes.length)
      this.#bytes.copy(
        found,
        Math.max(0, -from),
        Math.max(0, from),
        Math.min(this.#bytes.length, from + length),
      );
    return found;
  }

  is(offset: number, text: string): boolean {
    return this.at(offset, text.length).toString("latin1") === text;
  }
}

interface Look {
  readonly volume: Reader;
  readonly head: Window;
  readonly tail: Window;
}

interface Claim {
  readonly what: string;
  /** What to do, other than opening it elsewhere. */
  readonly next?: string;
  test(look: Look): boolean | Promise<boolean>;
}

// A DDF header may be 257 sectors before the end.
const tailBytes = 130 * 1024;
const sector = 512;
const member = (of: string) => `is a member of ${of}`;

const claims: readonly Claim[] = [
  { what: "is encrypted with LUKS", test: isLuks },
  {
    what: "is encrypted with BitLocker",
    test: ({ head }) => head.is(3, "-FVE-FS-") || head.at(424, 16).equals(bitLockerToGo),
  },
  { what: "is encrypted with FileVault 2", test: isFileVault },
  { what: "contains the hashes of dm-verity", test: ({ head }) => head.is(0, "verity\0\0") },
  { what: "is protected by dm-integrity", test: ({ head }) => head.is(0, "integrt\0") },
  {
    what: mdClaim,
    next:
      "If it is changed alone, it differs from the other members. If the other members of a mirror (level 1) are in other images, " +
      "name all of these images in one command. Otherwise attach all disks of the array to a Linux machine " +
      "(losetup --find --partscan IMAGE), assemble it there (mdadm --assemble --scan), and copy the array's device, for " +
      "example /dev/md0, to a raw image with dd. Change that image and copy it back.",
    test: ({ volume }) => isMdMember(volume),
  },
  {
    what: member("a volume group of LVM1"),
    test: ({ head }) => head.is(0, "HM") && [1, 2].includes(head.at(2, 2).readUInt16LE()),
  },
  { what: "is the store of a device-mapper snapshot", test: ({ head }) => head.is(0, "SnAp") },
  {
    what: member("a bcache or bcachefs"),
    test: ({ head }) => isBcache(head) || head.at(bcacheAt.superblock + bcacheAt.magic, 16).equals(bcachefs),
  },
  {
    what: member("a DRBD device"),
    test: ({ volume, tail }) =>
      volume.bytes >= 64 * 1024 &&
      drbdMagics.includes(tail.at(volume.bytes - drbdAt.fromEnd + drbdAt.magic, 4).readUInt32BE()),
  },
  { what: "is the log of a DRBD proxy", test: ({ head }) => head.is(0, "DRBDdlh*") },
  { what: "is the control volume of drbdmanage", test: ({ head }) => head.is(0, "$DRBDmgr=q") },
  { what: member("a Stratis pool"), test: ({ head }) => head.is(512 + 4, "!Stra0tis\x86\xff\x02^\x41rh") },
  { what: member("a VDO volume"), test: ({ head }) => head.is(0, "dmvdo001") },
  { what: member("a Ceph BlueStore"), test: ({ head }) => head.is(0, "bluestore block device") },
  { what: member("a UBI volume"), test: ({ head }) => head.is(0, "UBI#") },
  {
    what: member("a VMFS datastore"),
    test: async ({ volume }) =>
      (await windowAt(volume, 1024 * 1024, 4)).at(1024 * 1024, 4).readUInt32LE() === 0xc001d00d,
  },
  { what: member("a ZFS pool"), test: isZfs },
  {
    what: member("a DDF firmware RAID"),
    test: ({ volume, tail }) =>
      [sector, 257 * sector].some((back) =>
        ["de11de11", "11de11de"].includes(tail.at(lastSector(volume) + sector - back, 4).toString("hex")),
      ),
  },
  {
    what: member("an Intel firmware RAID"),
    test: ({ volume, tail }) => tail.is(lastSector(volume) - sector, "Intel Raid ISM Cfg Sig. "),
  },
  {
    what: member("an LSI MegaRAID firmware RAID"),
    test: ({ volume, tail }) => tail.is(lastSector(volume), "$XIDE$"),
  },
  {
    what: member("an NVIDIA firmware RAID"),
    test: ({ volume, tail }) => tail.is(lastSector(volume) - sector, "NVIDIA"),
  },
  {
    what: member("an Adaptec firmware RAID"),
    test: ({ volume, tail }) => {
      const last = tail.at(lastSector(volume), sector);
      return (
        last.readUInt32BE(adaptecAt.id) === 0x37fc4d1e &&
        last.toString("latin1", adaptecAt.magic, adaptecAt.magic + 4) === "DPTM"
      );
    },
  },
  { what: member("a Silicon Image firmware RAID"), test: isSilicon },
  {
    what: member("a VIA firmware RAID"),
    test: ({ volume, tail }) => {
      const last = tail.at(lastSector(volume), sector);
      const sum = last.subarray(0, viaAt.sum).reduce((total, byte) => (total + byte) & 0xff, 0);
      return (
        last.readUInt16LE(viaAt.signature) === 0xaa55 &&
        last.readUInt8(viaAt.version) <= 2 &&
        sum === last.readUInt8(viaAt.sum)
      );
    },
  },
  {
    what: member("a JMicron firmware RAID"),
    test: ({ volume, tail }) => volume.bytes >= 64 * 1024 && isJmicron(tail.at(lastSector(volume), sector)),
  },
  {
    what: member("a HighPoint firmware RAID"),
    test: ({ volume, head, tail }) =>
      [0x5a7816f0, 0x5a7816fd].includes(head.at(highPointAt.v37, 4).readUInt32LE()) ||
      [0x5a7816f3, 0x5a7816fd].includes(tail.at(lastSector(volume) - highPointAt.v45, 4).readUInt32LE()),
  },
  { what: member("a Promise firmware RAID"), test: isPromise },
];

/** libblkid's struct via_metadata and struct adaptec_metadata, in the last sector. */
const viaAt = { signature: 0, version: 2, sum: 50 } as const;
const adaptecAt = { id: 0, magic: 256 } as const;

/** HighPoint's 37x has its magic in the tenth sector, the 45x ten sectors before the last one. */
const highPointAt = { v37: 9 * sector + 32, v45: 10 * sector } as const;

/** libblkid's struct md_on_disk_08, in the last 4 KiB; the magics are those of DRBD 8.0, 8.4 and 9. */
const drbdAt = { fromEnd: 4096, magic: 60 } as const;
const drbdMagics = [0x8374026b, 0x8374026c, 0x8374026d];

const bitLockerToGo = Buffer.from("3bd66749292ed84a8399f6a339e3d001", "hex");
const bcache = Buffer.from("c68573f64e1a45ca8265f57f48ba6d81", "hex");
const bcachefs = Buffer.from("c68573f666ce90a9d96a60cf803df7ef", "hex");

async function windowAt(volume: Reader, wanted: number, length: number): Promise<Window> {
  const start = Math.max(0, wanted);
  const count = Math.max(0, Math.min(length, volume.bytes - start));
  return new Window(start, count === 0 ? Buffer.alloc(0) : Buffer.from(await volume.read(start, count)));
}

function lastSector({ bytes }: Reader): number {
  return Math.floor(bytes / sector - 1) * sector;
}

/**
 * LUKS2 (LUKS2 On-Disk Format Specification, binary header): the magic of both headers, and where the second one can begin, which depends on
 * the size of the first: from 16 KiB to 4 MiB, each twice the one before.
 */
const luks = { first: "LUKS\xba\xbe", second: "SKUL\xba\xbe", leastOffset: 16 << 10, mostOffset: 4 << 20 };

// Of LUKS2, the second header is enough: the first may be lost.
async function isLuks({ volume, head }: Look): Promise<boolean> {
  if (head.is(0, luks.first) || head.is(0, luks.second)) return true;
  for (let place = luks.leastOffset; place <= luks.mostOffset; place *= 2) {
    if ((await windowAt(volume, place, luks.second.length)).is(place, luks.second)) return true;
  }
  return false;
}

/** The physical volume header of Apple's CoreStorage (libblkid's struct cs_fvault2_sb). */
const fileVault = { version: 8, kind: 10, magic: 88 } as const;

// For the encrypted kind.
function isFileVault({ head }: Look): boolean {
  const word = (at: number) => head.at(at, 2).readUInt16LE();
  return (
    head.is(fileVault.magic, "CS\x01\0\0\0") && word(fileVault.version) === 1 && word(fileVault.kind) === 0x10
  );
}

/** OpenZFS: SPA_MINDEVSIZE, the size of vdev_label_t, the least size of an uberblock, UBERBLOCK_MAGIC. */
const zfs = {
  leastDevice: 64 << 20,
  labelBytes: 256 << 10,
  uberblockBytes: 1024,
  magic: 0xbab10cn,
  swappedMagic: 0x0cb1ba0000000000n,
} as const;

// Four labels, two at each end, each with a ring of 128 uberblocks in the byte order of whoever wrote it.
// Four of them are required, so that remains of a pool after mkfs do not count.
async function isZfs({ volume }: Look): Promise<boolean> {
  if (volume.bytes < zfs.leastDevice) return false;
  const label = zfs.labelBytes;
  const end = Math.floor(volume.bytes / label) * label;
  let found = 0;
  for (const at of [0, label, end - 2 * label, end - label]) {
    const { buffer, byteOffset, length } = await volume.read(at + label / 2, label / 2);
    const ring = new DataView(buffer, byteOffset, length);
    for (let uber = 0; uber < length; uber += zfs.uberblockBytes) {
      const magic = ring.getBigUint64(uber, true);
      if (magic === zfs.magic || magic === zfs.swappedMagic) found++;
    }
    if (found >= 4) return true;
  }
  return false;
}

/** struct cache_sb_disk (Linux, include/uapi/linux/bcache.h); the place is in sectors. bcachefs has its magic in the same place. */
const bcacheAt = { superblock: 4096, sum: 0, place: 8, magic: 24, keyCount: 206, keys: 208 } as const;

// The checksum must match: mkswap and others do not overwrite this place, so it may contain remains of an old
// bcache.
function isBcache(head: Window): boolean {
  const block = head.at(bcacheAt.superblock, 4096);
  const { sum, place, magic, keyCount, keys } = bcacheAt;
  if (!block.subarray(magic, magic + 16).equals(bcache)) return false;
  if (block.readBigUInt64LE(place) !== BigInt(bcacheAt.superblock / sector)) return false;
  const count = block.readUInt16LE(keyCount);
  return count <= 256 && crc64(block.subarray(place, keys + count * 8)) === block.readBigUInt64LE(sum);
}

// CRC-64/WE: ECMA-182's polynomial, all bits inverted at both ends.
function crc64(data: Buffer): bigint {
  const all = 0xffffffffffffffffn;
  let sum = all;
  for (const byte of data) {
    sum ^= BigInt(byte) << 56n;
    for (let bit = 0; bit < 8; bit++)
      sum = sum >> 63n ? ((sum << 1n) ^ 0x42f0e1eba9ea3693n) & all : (sum << 1n) & all;
  }
  return sum ^ all;
}

/** libblkid's struct silicon_metadata. The sum is of the words before it. */
const siliconAt = { magic: 0x60, diskNumber: 0x116, sum: 0x13e } as const;
const siliconMagic = 0x2f000000;

function isSilicon({ volume, tail }: Look): boolean {
  const last = tail.at(lastSector(volume), sector);
  if (volume.bytes < 64 * 1024 || last.readUInt32LE(siliconAt.magic) !== siliconMagic) return false;
  if (last.readUInt8(siliconAt.diskNumber) >= 8) return false;
  let sum = 0;
  for (let at = 0; at < siliconAt.sum; at += 2) sum += last.readUInt16LE(at);
  return (-sum & 0xffff) === last.readUInt16LE(siliconAt.sum);
}

// The sum of the 64 words is 0, or 1: the firmware itself writes both. blkid before 2.39 accepts the two
// letters alone, but many files begin with them, too. If nothing follows the 128 bytes, they are a signature.
function isJmicron(last: Buffer): boolean {
  if (last.toString("latin1", 0, 2) !== "JM") return false;
  let sum = 0;
  for (let at = 0; at < 128; at += 2) sum = (sum + last.readUInt16LE(at)) & 0xffff;
  return sum === 0 || sum === 1 || last.subarray(128).every((byte) => byte === 0);
}

async function isPromise({ volume }: Look): Promise<boolean> {
  if (volume.bytes < 256 * 1024) return false;
  const signature = "Promise Technology, Inc.";
  for (const back of [63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087]) {
    const at = (Math.floor(volume.bytes / sector) - back) * sector;
    if (at >= 0 && (await windowAt(volume, at, 24)).is(at, signature)) return true;
  }
  return false;
}
