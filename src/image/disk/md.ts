import type { Reader } from "../../io/reader.ts";

/** What the superblock of a member of a Linux software RAID (MD) says. */
export interface MdMember {
  /** The UUID of the array, as hexadecimal digits. */
  readonly array: string;
  /** Without `/dev/`: `md0`, `md/boot`. */
  readonly name: string;
  readonly level: number;
  /** The number of active members that the array is to have. */
  readonly members: number;
  /** Its place in the array; `undefined` for a spare, and for a member that failed. */
  readonly role: number | undefined;
  /** Counts the changes of the superblocks. A member that was left behind has fewer. */
  readonly events: bigint;
  /** Where the data of the array lie in the member, in bytes. */
  readonly data: { readonly offset: number; readonly bytes: number };
  /** Why the member alone does not tell what the array holds, worded to follow "which". */
  readonly fault?: string;
}

/** The superblock of a member in `volume`; `undefined` if it is no member. Layouts: the kernel's include/uapi/linux/raid/md_p.h. */
export async function mdMember(volume: Reader): Promise<MdMember | undefined> {
  const found = await superblockIn(volume);
  if (!found) return undefined;
  return found.kind === "old" ? oldMember(found) : newMember(volume, found);
}

/** Whether something stands in `volume` that says it is a member, whatever else it says. */
export async function isMdMember(volume: Reader): Promise<boolean> {
  return (await superblockIn(volume)) !== undefined;
}

interface Superblock {
  readonly kind: "old" | "new";
  readonly block: Buffer;
  /** Its place in the volume, in bytes. */
  readonly at: number;
  readonly isLittle: boolean;
}

const magic = 0xa92b4efc;
const sector = 512;
const oldBytes = 4096;
const reserved = 64 * 1024;

// 0.90 says its size, so that one of a whole disk is not taken for one of its last partition; 1.x where it stands.
async function superblockIn(volume: Reader): Promise<Superblock | undefined> {
  const newPlaces = [0, 4096, Math.floor(volume.bytes / 4096) * 4096 - 8192];
  for (const at of newPlaces) {
    const block = await bytesAt(volume, at, 4096);
    const isOne =
      block.readUInt32LE(0) === magic &&
      block.readUInt32LE(4) === 1 &&
      Number(block.readBigUInt64LE(144)) === at / sector;
    if (isOne) return { kind: "new", block, at, isLittle: true };
  }
  if (volume.bytes <= reserved) return undefined;
  const at = Math.floor(volume.bytes / reserved) * reserved - reserved;
  const block = await bytesAt(volume, at, oldBytes);
  for (const isLittle of [true, false]) {
    const word = wordsOf(block, isLittle);
    const bytes = 1024 * word(8);
    if (word(0) === magic && volume.bytes >= bytes + reserved && at >= bytes)
      return { kind: "old", block, at, isLittle };
  }
  return undefined;
}

// Everything outside of the volume reads as zeros.
async function bytesAt(volume: Reader, at: number, length: number): Promise<Buffer> {
  const block = Buffer.alloc(length);
  if (at >= 0 && at < volume.bytes) block.set(await volume.read(at, Math.min(length, volume.bytes - at)));
  return block;
}

function wordsOf(block: Buffer, isLittle: boolean): (index: number) => number {
  return (index) => (isLittle ? block.readUInt32LE(index * 4) : block.readUInt32BE(index * 4));
}

function oldMember({ block, at, isLittle }: Superblock): MdMember {
  const word = wordsOf(block, isLittle);
  const [eventsLow, eventsHigh] = isLittle ? [39, 40] : [40, 39];
  const hex = (index: number) => word(index).toString(16).padStart(8, "0");
  const state = word(992 + 4);
  const isActive = (state & 0b111) === 0b110;
  const bytes = word(8) * 1024;
  const fault =
    (sumOf(block, isLittle, 38, oldBytes) !== word(38) && "has a wrong checksum") ||
    (word(2) !== 90 && "is being reshaped") ||
    ((word(33) & 1) === 0 && notClean) ||
    (bytes > at && "claims more than its volume");
  return {
    array: `${hex(5)}${hex(13)}${hex(14)}${hex(15)}`,
    name: `md${word(11)}`,
    level: word(7) | 0,
    members: word(10),
    role: isActive ? word(992 + 3) : undefined,
    events: (BigInt(word(eventsHigh)) << 32n) | BigInt(word(eventsLow)),
    data: { offset: 0, bytes },
    ...(fault && { fault }),
  };
}

const notClean = "was not stopped cleanly, or not yet synchronised";
// A bitmap of what is to be synchronised, and a list of bad blocks. Everything else moves data, or keeps them elsewhere.
const plainFeatures = 0x1 | 0x8;

async function newMember(volume: Reader, { block, at }: Superblock): Promise<MdMember> {
  const number = (offset: number) => Number(block.readBigUInt64LE(offset));
  const features = block.readUInt32LE(8);
  const roles = block.readUInt32LE(220);
  const own = block.readUInt32LE(160);
  const role = own < roles && own < 1920 ? block.readUInt16LE(256 + own * 2) : 0xffff;
  const data = { offset: number(128) * sector, bytes: number(80) * sector };
  const end = data.offset + data.bytes;
  const summed = Math.min(4096, 256 + roles * 2);
  const fault =
    (sumOf(block, true, 54, summed) !== block.readUInt32LE(216) && "has a wrong checksum") ||
    ((features & ~plainFeatures) !== 0 && "is being reshaped or recovered, or has a journal") ||
    (block.readBigUInt64LE(208) !== 0xffffffffffffffffn && notClean) ||
    ((features & 0x8) !== 0 && (await hasBadBlocks(volume, block, at)) && "has bad blocks") ||
    ((!Number.isSafeInteger(end) || end > volume.bytes || data.bytes === 0) && "claims more than its volume");
  return {
    array: block.toString("hex", 16, 32),
    name: nameOf(block.toString("utf8", 32, 64).replace(/\0.*$/s, "")),
    level: block.readInt32LE(72),
    members: block.readUInt32LE(92),
    role: role < 0xff00 ? role : undefined,
    events: block.readBigUInt64LE(200),
    data,
    ...(fault && { fault }),
  };
}

// "host:0" or "boot": what stands before the colon is the machine that made it.
function nameOf(said: string): string {
  const name = said.replace(/^[^:]*:/, "");
  if (/^\d{1,4}$/.test(name)) return `md${name}`;
  return /^[\w.-]+$/.test(name) ? `md/${name}` : "md127";
}

// The log has entries of 8 bytes; what is all ones is the end.
async function hasBadBlocks(volume: Reader, block: Buffer, at: number): Promise<boolean> {
  const from = at + block.readInt32LE(188) * sector;
  const bytes = block.readUInt16LE(186) * sector;
  if (bytes === 0) return false;
  if (from < 0 || from + bytes > volume.bytes) return true;
  const first = Buffer.from(await volume.read(from, 8)).readBigUInt64LE();
  return first !== 0xffffffffffffffffn && first !== 0n;
}

// All words but the sum itself, with the carry added once.
function sumOf(block: Buffer, isLittle: boolean, own: number, bytes: number): number {
  const word = wordsOf(block, isLittle);
  let sum = 0n;
  for (let index = 0; index < bytes >> 2; index++) if (index !== own) sum += BigInt(word(index));
  if (bytes & 2) sum += BigInt(block.readUInt16LE(bytes - 2));
  return Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn);
}
