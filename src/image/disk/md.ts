import type { Reader } from "../../io/reader.ts";

/** The superblock of a member of a Linux software RAID (MD). */
export interface MdMember {
  /** The UUID of the array, as hexadecimal digits. */
  readonly array: string;
  /** Without `/dev/`: `md0`, `md/boot`. */
  readonly name: string;
  readonly level: number;
  /** The intended number of active members of the array. */
  readonly members: number;
  /** Its place in the array; `undefined` for a spare, and for a member that failed. */
  readonly role: number | undefined;
  /** The number of changes of the superblock. An outdated member has fewer. */
  readonly events: bigint;
  /** The offset of the array's data in the member, in bytes. */
  readonly data: { readonly offset: number; readonly bytes: number };
  /** Why the member alone does not show the array's content, worded to follow "which". */
  readonly fault?: string;
}

/** The superblock of a member in `volume`; `undefined` if it is not a member. Layouts: the kernel's include/uapi/linux/raid/md_p.h. */
export async function mdMember(volume: Reader): Promise<MdMember | undefined> {
  const found = await superblockIn(volume);
  if (!found) return undefined;
  return found.kind === "old" ? oldMember(found) : newMember(volume, found);
}

/** Whether `volume` has the superblock of a member, valid or not. */
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

/** Words of the superblock of version 0.90 (mdp_super_t). The two words of a count of events are in the machine's order. */
const old = {
  magic: 0,
  minor: 2,
  level: 7,
  size: 8,
  members: 10,
  number: 11,
  state: 33,
  sum: 38,
  uuid: [5, 13, 14, 15],
  events: [39, 40],
  selfRole: 992 + 3,
  selfState: 992 + 4,
} as const;
const oldClean = 1;
/** Of a member: active and in sync, not faulty. */
const oldStates = { mask: 0b111, active: 0b110 } as const;

/** Offsets in the superblock of version 1 (struct mdp_superblock_1). */
const at = {
  magic: 0,
  version: 4,
  features: 8,
  array: 16,
  name: 32,
  level: 72,
  size: 80,
  members: 92,
  dataStart: 128,
  place: 144,
  own: 160,
  badBlocksSize: 186,
  badBlocksStart: 188,
  events: 200,
  resync: 208,
  sum: 216,
  roles: 220,
  roleOf: 256,
} as const;
const feature = { bitmap: 0x1, badBlocks: 0x8 } as const;
/**
 * The number of roles in the largest superblock. From `leastSpecialRole` on, a role means a spare, a failed
 * member or a journal.
 */
const mostRoles = 1920;
const leastSpecialRole = 0xff00;
const noRole = 0xffff;
/** The offset of a finished resync; the end of the list of bad blocks. */
const allOnes = 0xffffffffffffffffn;

// Version 0.90 states its size, so that the superblock of a whole disk is not mistaken for that of its last
// partition. Version 1 states its own place.
async function superblockIn(volume: Reader): Promise<Superblock | undefined> {
  const newPlaces = [0, 4096, Math.floor(volume.bytes / 4096) * 4096 - 8192];
  for (const place of newPlaces) {
    const block = await bytesAt(volume, place, 4096);
    const isOne =
      block.readUInt32LE(at.magic) === magic &&
      block.readUInt32LE(at.version) === 1 &&
      Number(block.readBigUInt64LE(at.place)) === place / sector;
    if (isOne) return { kind: "new", block, at: place, isLittle: true };
  }
  if (volume.bytes <= reserved) return undefined;
  const place = Math.floor(volume.bytes / reserved) * reserved - reserved;
  const block = await bytesAt(volume, place, oldBytes);
  for (const isLittle of [true, false]) {
    const word = wordsOf(block, isLittle);
    const bytes = 1024 * word(old.size);
    if (word(old.magic) === magic && volume.bytes >= bytes + reserved && place >= bytes)
      return { kind: "old", block, at: place, isLittle };
  }
  return undefined;
}

// Everything outside of the volume reads as zeros.
async function bytesAt(volume: Reader, from: number, length: number): Promise<Buffer> {
  const block = Buffer.alloc(length);
  if (from >= 0 && from < volume.bytes)
    block.set(await volume.read(from, Math.min(length, volume.bytes - from)));
  return block;
}

function wordsOf(block: Buffer, isLittle: boolean): (index: number) => number {
  return (index) => (isLittle ? block.readUInt32LE(index * 4) : block.readUInt32BE(index * 4));
}

function oldMember({ block, at: place, isLittle }: Superblock): MdMember {
  const word = wordsOf(block, isLittle);
  const [first, second] = [BigInt(word(old.events[0])), BigInt(word(old.events[1]))];
  const [low, high] = isLittle ? [first, second] : [second, first];
  const isActive = (word(old.selfState) & oldStates.mask) === oldStates.active;
  const bytes = word(old.size) * 1024;
  const fault =
    (sumOf(block, isLittle, old.sum, oldBytes) !== word(old.sum) && "has a wrong checksum") ||
    (word(old.minor) !== 90 && "is being reshaped") ||
    ((word(old.state) & oldClean) === 0 && notClean) ||
    (bytes > place && "claims to be larger than its volume");
  return {
    array: old.uuid.map((index) => word(index).toString(16).padStart(8, "0")).join(""),
    name: `md${word(old.number)}`,
    level: word(old.level) | 0,
    members: word(old.members),
    role: isActive ? word(old.selfRole) : undefined,
    events: (high << 32n) | low,
    data: { offset: 0, bytes },
    ...(fault && { fault }),
  };
}

const notClean = "was not stopped cleanly, or is not yet synchronised";
// A bitmap of blocks to synchronise, and a list of bad blocks. All other features move data, or store it
// elsewhere.
const plainFeatures = feature.bitmap | feature.badBlocks;

async function newMember(volume: Reader, { block, at: place }: Superblock): Promise<MdMember> {
  const number = (offset: number) => Number(block.readBigUInt64LE(offset));
  const features = block.readUInt32LE(at.features);
  const roles = block.readUInt32LE(at.roles);
  const own = block.readUInt32LE(at.own);
  const role = own < roles && own < mostRoles ? block.readUInt16LE(at.roleOf + own * 2) : noRole;
  const data = { offset: number(at.dataStart) * sector, bytes: number(at.size) * sector };
  const end = data.offset + data.bytes;
  const summed = Math.min(4096, at.roleOf + roles * 2);
  const fault =
    (sumOf(block, true, at.sum / 4, summed) !== block.readUInt32LE(at.sum) && "has a wrong checksum") ||
    ((features & ~plainFeatures) !== 0 && "is being reshaped or recovered, or has a journal") ||
    (block.readBigUInt64LE(at.resync) !== allOnes && notClean) ||
    ((features & feature.badBlocks) !== 0 &&
      (await hasBadBlocks(volume, block, place)) &&
      "has bad blocks") ||
    ((!Number.isSafeInteger(end) || end > volume.bytes || data.bytes === 0) &&
      "claims to be larger than its volume");
  return {
    array: block.toString("hex", at.array, at.array + 16),
    name: nameOf(block.toString("utf8", at.name, at.name + 32).replace(/\0.*$/s, "")),
    level: block.readInt32LE(at.level),
    members: block.readUInt32LE(at.members),
    role: role < leastSpecialRole ? role : undefined,
    events: block.readBigUInt64LE(at.events),
    data,
    ...(fault && { fault }),
  };
}

// "host:0" or "boot": before the colon is the machine that made the array.
function nameOf(said: string): string {
  const name = said.replace(/^[^:]*:/, "");
  if (/^\d{1,4}$/.test(name)) return `md${name}`;
  return /^[\w.-]+$/.test(name) ? `md/${name}` : "md127";
}

// The list has entries of 8 bytes, and ends at one of all ones.
async function hasBadBlocks(volume: Reader, block: Buffer, place: number): Promise<boolean> {
  const from = place + block.readInt32LE(at.badBlocksStart) * sector;
  const bytes = block.readUInt16LE(at.badBlocksSize) * sector;
  if (bytes === 0) return false;
  if (from < 0 || from + bytes > volume.bytes) return true;
  const first = Buffer.from(await volume.read(from, 8)).readBigUInt64LE();
  return first !== allOnes && first !== 0n;
}

// All words but the sum itself, with the carry added once.
function sumOf(block: Buffer, isLittle: boolean, own: number, bytes: number): number {
  const word = wordsOf(block, isLittle);
  let sum = 0n;
  for (let index = 0; index < bytes >> 2; index++) if (index !== own) sum += BigInt(word(index));
  if (bytes & 2) sum += BigInt(block.readUInt16LE(bytes - 2));
  return Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn);
}
