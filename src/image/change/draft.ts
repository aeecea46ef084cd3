import { TbuildError } from "../../errors.ts";
import { pacer } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";

/** A disk, or a volume of one, that can be written to. */
export interface Writable extends Reader {
  write(offset: number, data: Uint8Array): Promise<void>;
}

/** A run of bytes that will change. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
  /** The new bytes. */
  after(): Promise<Uint8Array>;
}

/** A disk that keeps its writes in memory. The writes are available as pieces. */
export interface Draft extends Writable {
  /**
   * The differences to the disk beneath, ordered by offset; close ones are merged. Later writes change them.
   * `signal` aborts it.
   */
  pieces(signal?: AbortSignal): Promise<Piece[]>;
}

/** Starts a draft of `disk`. Only written pages are held in memory. */
export function draftOf(disk: Reader): Draft {
  const pages = new Map<number, Uint8Array>();

  async function page(index: number): Promise<Uint8Array> {
    const start = index * pageBytes;
    return pages.get(index) ?? disk.read(start, Math.min(pageBytes, disk.bytes - start));
  }

  // Copies the writes into `data`, which starts at `offset`.
  function lay(data: Uint8Array, offset: number): void {
    const [first, last] = [
      Math.floor(offset / pageBytes),
      Math.floor((offset + data.length - 1) / pageBytes),
    ];
    for (let index = first; index <= last; index++) {
      const written = pages.get(index);
      if (!written) continue;
      const start = index * pageBytes;
      const from = Math.max(offset, start);
      const to = Math.min(offset + data.length, start + written.length);
      data.set(written.subarray(from - start, to - start), from - offset);
    }
  }

  // Pages that were written completely can be read even after the disk is closed.
  async function written(offset: number, length: number): Promise<Uint8Array> {
    const data = new Uint8Array(length);
    lay(data, offset);
    return data;
  }

  async function read(offset: number, length: number): Promise<Uint8Array> {
    const [first, last] = [Math.floor(offset / pageBytes), Math.floor((offset + length - 1) / pageBytes)];
    let isWritten = false;
    for (let index = first; index <= last && !isWritten; index++) isWritten = pages.has(index);
    if (!isWritten) return disk.read(offset, length);
    const data = new Uint8Array(length);
    data.set(await disk.read(offset, length));
    lay(data, offset);
    return data;
  }

  return {
    bytes: disk.bytes,
    read,
    async write(offset, data) {
      if (offset < 0 || offset + data.length > disk.bytes)
        throw behindEnd("disk", offset + data.length, disk.bytes);
      for (let done = 0; done < data.length; ) {
        const at = offset + done;
        const index = Math.floor(at / pageBytes);
        const start = index * pageBytes;
        const part = data.subarray(done, done + start + pageBytes - at);
        if (part.length === pageBytes && isZero(part)) pages.set(index, zeroPage);
        else {
          const own = pages.get(index);
          const changed = own && own !== zeroPage ? own : Uint8Array.from(await page(index));
          changed.set(part, at - start);
          pages.set(
            index,
            changed.length === pageBytes && isZero(part) && isZero(changed) ? zeroPage : changed,
          );
        }
        done += part.length;
      }
    },
    async pieces(signal) {
      const found: Piece[] = [];
      let last: { offset: number; end: number } | undefined;
      const close = () => {
        if (!last) return;
        const { offset, end } = last;
        found.push({ offset, bytes: end - offset, after: () => written(offset, end - offset) });
      };
      const pace = pacer(signal);
      for (const [index, now] of [...pages].sort(([a], [b]) => a - b)) {
        const turn = pace();
        if (turn) await turn;
        const start = index * pageBytes;
        for (const [from, to] of differing(await disk.read(start, now.length), now)) {
          const isNear =
            last && start + from - last.end <= nearBytes && start + to - last.offset <= largestPiece;
          if (last && isNear) last.end = start + to;
          else {
            close();
            last = { offset: start + from, end: start + to };
          }
        }
      }
      close();
      return found;
    },
  };
}

/** The part of `disk` that starts at `offset`. */
export function writableWindow(disk: Writable, offset: number, bytes: number): Writable {
  const check = (at: number, length: number) => {
    if (at < 0 || length < 0 || at + length > bytes) throw behindEnd("volume", at + length, bytes);
  };
  return {
    bytes,
    async read(at, length) {
      check(at, length);
      return disk.read(offset + at, length);
    },
    async write(at, data) {
      check(at, data.length);
      return disk.write(offset + at, data);
    },
  };
}

/** For readers only: writing to it is a bug in tbuild. */
export function readOnly(disk: Reader): Writable {
  return {
    bytes: disk.bytes,
    read: (offset, length) => disk.read(offset, length),
    write: () => Promise.reject(new Error("opened read-only")),
  };
}

// A file system's own offsets may be wrong.
function behindEnd(what: string, byte: number, bytes: number): TbuildError {
  return new TbuildError("integrity", `byte ${byte} is beyond its end (${bytes} bytes)`, {
    subject: what,
    hint: "The image is cut off or damaged; copy it again.",
  });
}

const pageBytes = 4096;
const zeroPage = new Uint8Array(pageBytes);
const largestPiece = 1 << 20;
/**
 * Disks write whole sectors, so pieces in adjacent sectors are merged. XFS stamps every sector of its log
 * when it is mounted.
 */
const nearBytes = 512;
const grain = 32;

/**
 * The differences between two pages, in units of 32 bytes, so that a changed flag does not count as a page.
 */
export function differing(one: Uint8Array, other: Uint8Array): [from: number, to: number][] {
  const [a, b] = [asBuffer(one), asBuffer(other)];
  if (a.equals(b)) return [];
  const found: [number, number][] = [];
  for (let at = 0; at < b.length; at += grain) {
    const end = Math.min(at + grain, b.length);
    if (a.compare(b, at, end, at, end) === 0) continue;
    const last = found.at(-1);
    if (last && last[1] === at) last[1] = end;
    else found.push([at, end]);
  }
  return found;
}

export function isZero(data: Uint8Array): boolean {
  for (let at = 0; at < data.length; at += pageBytes) {
    const part = data.subarray(at, at + pageBytes);
    if (!asBuffer(part).equals(zeroPage.subarray(0, part.length))) return false;
  }
  return true;
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.length);
}
