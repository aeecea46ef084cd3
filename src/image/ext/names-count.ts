import { pacer, type Watch } from "../../host/long-work.ts";
import { damaged } from "./faults.ts";
import { checkInodeBlocks, ownedBlocks } from "./inode.ts";
import { at, kindOf, rootInode } from "./inode-fields.ts";
import type { ExtVolume } from "./volume.ts";

/** The number of names of each inode, from all folders of a file system. */
export interface NamesCount {
  /** Of a file or folder; a folder's own `.` and `..` are not counted. */
  of(inode: number): number;
  /** A name of it is removed. */
  less(inode: number): void;
  /** Whether a folder's inode has a wrong count of subfolders. */
  isOdd(folder: number): boolean;
}

/** Reads every folder from the root on. */
export async function countNames(volume: ExtVolume, { signal, progress }: Watch = {}): Promise<NamesCount> {
  // A million files have one name each, so one bit for each is enough.
  const seen = new Uint8Array(Math.ceil((volume.inodes + 1) / 8));
  const more = new Map<number, number>();
  const odd = new Set<number>();
  const of = (inode: number) => more.get(inode) ?? ((seen[inode >> 3] ?? 0) >> (inode & 7)) & 1;
  const count = (inode: number) => {
    const names = of(inode) + 1;
    if (names > 1) more.set(inode, names);
    else seen[inode >> 3] = (seen[inode >> 3] ?? 0) | (1 << (inode & 7));
    return names;
  };
  const pace = pacer(signal, (folders) => progress?.(`${folders} folders read`));
  const waiting = [rootInode];
  for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
    const turn = pace();
    if (turn) await turn;
    const inode = await volume.inode(number);
    if (kindOf(inode) !== "dir") throw damaged(`folder ${number} is not a folder`);
    let folders = 0;
    const owned = await ownedBlocks(volume, inode);
    checkInodeBlocks(volume, number, inode, owned);
    for (const block of owned.data)
      for (const entry of entriesIn(await volume.block(block), volume.inodes)) {
        const names = count(entry.inode);
        if (!(await isFolder(volume, entry))) continue;
        // A folder that contains itself has a second name, too.
        if (names > 1) throw damaged(`folder ${entry.inode} has two names, or contains itself`);
        folders++;
        waiting.push(entry.inode);
      }
    const links = inode.readUInt16LE(at.links);
    // 1: it once had more subfolders than the field can count; since then they are not counted.
    if (links !== folders + 2 && links !== 1) odd.add(number);
  }
  return {
    of,
    less(inode) {
      if (more.has(inode)) more.set(inode, of(inode) - 1);
      else seen[inode >> 3] = (seen[inode >> 3] ?? 0) & ~(1 << (inode & 7));
    },
    isOdd: (folder) => odd.has(folder),
  };
}

interface Entry {
  readonly inode: number;
  readonly type: number;
}

// struct ext4_dir_entry_2. An index block looks like one unused entry. A million entries need a fast loop.
function* entriesIn(block: Buffer, inodes: number): Generator<Entry> {
  for (let place = 0; place + 8 <= block.length; ) {
    const [inode, length] = [block.readUInt32LE(place), block.readUInt16LE(place + 4)];
    const nameBytes = block.readUInt8(place + 6);
    if (length < 8 || length % 4 !== 0 || place + length > block.length || nameBytes + 8 > length)
      throw damaged("a folder");
    if (inode !== 0 && !isDots(block, place + 8, nameBytes)) {
      if (inode > inodes) throw damaged(`a folder names inode ${inode}, of ${inodes}`);
      yield { inode, type: block.readUInt8(place + 7) };
    }
    place += length;
  }
}

const dot = 0x2e;

function isDots(block: Buffer, at: number, bytes: number): boolean {
  return block[at] === dot && (bytes === 1 || (bytes === 2 && block[at + 1] === dot));
}

// Folders of old file systems do not store the types of their entries.
async function isFolder(volume: ExtVolume, { inode, type }: Entry): Promise<boolean> {
  return type === 0 ? kindOf(await volume.inode(inode)) === "dir" : type === 2;
}
