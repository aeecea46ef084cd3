import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import { stringOf } from "../names.ts";
import { unreadable } from "./faults.ts";
import type { Geometry } from "./geometry.ts";
import { Group } from "./group.ts";
import { rootInode } from "./inode-fields.ts";
import { runsOf } from "./runs.ts";
import { StoredInode } from "./stored-inode.ts";

const largestFile = 1 << 29;
const longestTarget = 4096;

/** Finds inodes by number and by path, and remembers the folders on the way: a guest has too many files for more. */
export class Paths {
  readonly #reader: Reader;
  readonly #geometry: Geometry;
  readonly #folders = new Map<number, StoredInode>();
  readonly #names = new Map<number, Map<string, number>>();

  constructor(reader: Reader, geometry: Geometry) {
    this.#reader = reader;
    this.#geometry = geometry;
  }

  async inode(number: number): Promise<StoredInode> {
    const kept = this.#folders.get(number);
    if (kept) return kept;
    const { inodes, inodesPerGroup, inodeBytes, blockBytes } = this.#geometry;
    if (number < 1 || number > inodes) throw unreadable(`inode ${number} is not one of its ${inodes}`);
    const { tableAt } = await this.#group(Math.floor((number - 1) / inodesPerGroup));
    const at = tableAt * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes;
    const read = new StoredInode(await this.#reader.read(at, inodeBytes));
    // A copy, because a slice would keep the larger buffer alive.
    if (read.kind === "dir") this.#folders.set(number, read.copy());
    return read;
  }

  async numberOf(path: string): Promise<number | undefined> {
    let number = rootInode;
    const above = new Set<number>();
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (above.has(number)) throw unreadable(`the folder ${path} contains itself`);
      above.add(number);
      const next = (await this.namesIn(number))?.get(name);
      if (next === undefined) return undefined;
      number = next;
    }
    return number;
  }

  async lookUp(path: string): Promise<StoredInode | undefined> {
    const number = await this.numberOf(path);
    return number === undefined ? undefined : this.inode(number);
  }

  /** The names in a folder and their inodes; `undefined` if it is not a folder. */
  async namesIn(number: number): Promise<Map<string, number> | undefined> {
    const kept = this.#names.get(number);
    if (kept) return kept;
    const found = await this.inode(number);
    if (found.kind !== "dir") return undefined;
    const read = entriesIn(Buffer.from((await this.content(found)).buffer), this.#geometry.blockBytes);
    this.#names.set(number, read);
    return read;
  }

  /** The whole content of a file, folder or link. */
  async content(of: StoredInode): Promise<Uint8Array> {
    const { blockBytes } = this.#geometry;
    const reader = this.#reader;
    if (of.size > largestFile)
      throw new TbuildError("guest", `file of ${of.size} bytes: too large to read at once`);
    if (of.kind === "dir" && of.size > reader.bytes) throw unreadable(`a folder of ${of.size} bytes`);
    if (of.kind === "link" && of.size > longestTarget) throw unreadable(`a link of ${of.size} bytes`);
    const data = new Uint8Array(of.size);
    for await (const run of runsOf({ reader, blockBytes }, of)) {
      const start = run.logical * blockBytes;
      if (start >= of.size) continue;
      const length = Math.min(run.count * blockBytes, of.size - start);
      if (length > 0) data.set(await reader.read(run.physical * blockBytes, length), start);
    }
    return data;
  }

  async #group(number: number): Promise<Group> {
    const { descriptorsAt, descriptorBytes } = this.#geometry;
    const data = await this.#reader.read(descriptorsAt + number * descriptorBytes, descriptorBytes);
    return new Group(Buffer.from(data.buffer, data.byteOffset, data.byteLength), false);
  }
}

// struct ext4_dir_entry_2. To this loop, an index block of a hashed folder looks like one unused entry, by
// design.
function entriesIn(data: Buffer, blockBytes: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let at = 0; at + 8 <= data.length; ) {
    const number = data.readUInt32LE(at);
    const length = data.readUInt16LE(at + 4) || blockBytes;
    const nameBytes = data.readUInt8(at + 6);
    if (length < 8 || at + length > data.length || nameBytes + 8 > length) throw unreadable("a folder");
    const name = stringOf(data.subarray(at + 8, at + 8 + nameBytes));
    if (number !== 0 && /^$|[/\0]/.test(name)) throw unreadable("a folder");
    if (number !== 0 && name !== "." && name !== "..") found.set(name, number);
    at += length;
  }
  return found;
}
