import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32, createInflateRaw } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import { streamHere } from "../../host/local.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { writeFile } from "../../io/write-file.ts";
import { decompressors } from "./decompressors.ts";
import { segmentEnd } from "./initramfs-segments.ts";

/** An entry of an initramfs. Of two with the same path, the kernel keeps the later one. */
export interface InitramfsEntry {
  /** Without a leading `./` or `/`. */
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  /** The first bytes of a file. */
  readonly start: Uint8Array;
  /** The target of a symbolic link. */
  readonly target?: string;
  /** The content, if the file was requested. */
  readonly data?: Uint8Array;
}

/** Enough to tell a program, a script with its interpreter and an empty file apart. */
const startBytes = 256;

/** The entries of an initramfs, with the contents of the requested files. Up to `mostBytes` are unpacked. */
export async function initramfsEntries(
  image: Uint8Array,
  wants: (path: string) => boolean = () => false,
  mostBytes = 1 << 30,
): Promise<{ readonly entries: readonly InitramfsEntry[]; readonly last: LastSegment }> {
  const found: Found = { entries: [], wants, left: mostBytes, last: { start: 0, format: "none" } };
  await readInitramfs(image, found);
  return found;
}

/** Where the last archive starts, and its compression: gzip, one of `decompressors`, or `none`. */
export interface LastSegment {
  readonly start: number;
  readonly format: string;
}

/**
 * The paths in an initramfs: cpio archives, each plain or compressed, with zeros between them (Documentation/
 * driver-api/early-userspace/buffer-format.rst of Linux). The guest is not trusted: the archives are unpacked as streams,
 * and up to `mostBytes` in total. Damage is a `guest` fault.
 */
export async function initramfsPaths(image: Uint8Array, mostBytes = 1 << 30): Promise<string[]> {
  return (await initramfsEntries(image, undefined, mostBytes)).entries.map(({ path }) => path);
}

async function readInitramfs(image: Uint8Array, found: Found): Promise<void> {
  const data = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  for (let at = firstNonZero(data, 0); at < data.length; at = firstNonZero(data, at))
    // An early archive with microcode comes first, uncompressed.
    if (isCpio(data.subarray(at, at + 6))) {
      found.last = { start: at, format: "none" };
      const plain = new ByteStream(once(data.subarray(at)), { left: Number.POSITIVE_INFINITY });
      await readCpio(plain, found);
      at += plain.position;
    } else at = await readCompressed(data, at, found);
}

interface Found {
  readonly entries: InitramfsEntry[];
  readonly wants: (path: string) => boolean;
  last: LastSegment;
  /** The number of bytes that may still be unpacked. */
  left: number;
}

/** Reads the archives in a compressed segment, and returns its end. */
async function readCompressed(data: Buffer, at: number, found: Found): Promise<number> {
  const start = data.toString("hex", at, at + 9);
  if (/^1f8b/.test(start)) {
    found.last = { start: at, format: "gzip" };
    return readGzip(data, at, found);
  }
  const known = decompressors.find(({ magic }) => start.startsWith(magic));
  if (!known) throw damaged(`unknown compression (${start.slice(0, 12)})`);
  found.last = { start: at, format: known.name };
  const end = segmentEnd(data, at);
  if (end === undefined) return at + (await readFromFile(known.argv, data.subarray(at), found));
  if (end > data.length) throw damaged("is cut off");
  await readArchives(streamHere(known.argv, data.subarray(at, end)), found);
  return end;
}

/**
 * Reads one gzip member (RFC 1952). Node's gunzip treats anything after it, except zeros, as another member;
 * here, anything may follow.
 */
async function readGzip(data: Buffer, at: number, found: Found): Promise<number> {
  const flags = data[at + 3] ?? 0;
  let start = at + 10;
  if (flags & 4) start += 2 + (start + 2 <= data.length ? data.readUInt16LE(start) : 0);
  for (const flag of [8, 16]) if (flags & flag) start = Math.max(data.indexOf(0, start), start) + 1;
  if (flags & 2) start += 2;
  const inflate = createInflateRaw();
  inflate.end(data.subarray(start));
  let sum = 0;
  await readArchives(
    (async function* () {
      for await (const part of inflate as AsyncIterable<Buffer>) {
        sum = crc32(part, sum);
        yield part;
      }
    })(),
    found,
  );
  const end = start + inflate.bytesWritten;
  if (end + 8 > data.length) throw damaged("is cut off");
  if (data.readUInt32LE(end) !== sum) throw damaged("its compressed part is damaged or cut off");
  return end + 8;
}

/**
 * Reads a segment of unknown length, and returns its length. After `xz --single-stream`, the position in its
 * input file is right after the unpacked stream. The process that opened the file shares that position.
 */
async function readFromFile(argv: readonly string[], data: Buffer, found: Found): Promise<number> {
  await using folder = await temporaryFolder("initramfs");
  const path = join(folder.path, "segment");
  await writeFile(path, data);
  await using file = await open(path, "r");
  await readArchives(streamHere(argv, file.fd), found);
  const position = /^pos:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${file.fd}`, "utf8"))?.[1];
  if (position === undefined) throw new Error("no position in /proc/self/fdinfo");
  return Number(position);
}

async function readArchives(unpacked: AsyncIterable<Uint8Array>, found: Found): Promise<void> {
  const bytes = new ByteStream(unpacked, found);
  try {
    for (;;) {
      await bytes.skipZeros();
      const start = await bytes.peek(6);
      if (start.length === 0) return;
      if (!isCpio(start)) throw damaged("contains no cpio archive that kernels can read");
      await readCpio(bytes, found);
    }
  } catch (error) {
    // zlib and the programs fail on damaged data. A program that is missing or cannot be started is a different fault.
    const isDamage =
      (error as NodeJS.ErrnoException).code?.startsWith("Z_") ||
      (error instanceof TbuildError && error.code === "command-failed");
    if (!isDamage) throw error;
    throw damaged("its compressed part is damaged or cut off", error);
  } finally {
    await bytes.end();
  }
}

const headerBytes = 110;
const longestName = 4096;
const mostPaths = 500_000;
const mostWantedBytes = 32 << 20;

// "newc": a header of 110 bytes, the name and the data, each filled up to four bytes.
async function readCpio(bytes: ByteStream, { entries, wants }: Found): Promise<void> {
  const start = bytes.position;
  const twins = new Map<number, InitramfsEntry[]>();
  const fill = async () => bytes.skip((4 - ((bytes.position - start) % 4)) % 4);
  for (;;) {
    const header = await bytes.peek(headerBytes);
    if (header.length === 0) return;
    if (header.length < headerBytes) throw damaged("is cut off");
    if (!isCpio(header)) throw damaged("a damaged cpio archive");
    const [mode, size, nameBytes] = [numberAt(header, 1), numberAt(header, 6), numberAt(header, 11)];
    const [inode, links] = [numberAt(header, 0), numberAt(header, 4)];
    if (nameBytes === 0 || nameBytes > longestName) throw damaged(`a name of ${nameBytes} bytes`);
    await bytes.skip(headerBytes);
    const name = await bytes.peek(nameBytes);
    if (name.length < nameBytes) throw damaged("is cut off");
    await bytes.skip(nameBytes);
    await fill();
    const path = name.toString("utf8", 0, nameBytes - 1).replace(/^(?:\.?\/)+/, "");
    const isWanted = isFile(mode) && size <= mostWantedBytes && wants(path);
    const data = isWanted ? Buffer.from(await bytes.peek(size)) : undefined;
    const first = Buffer.from(await bytes.peek(Math.min(size, isLink(mode) ? longestName : startBytes)));
    await bytes.skip(size);
    // The padding of the last one may be missing.
    if (path === "TRAILER!!!") return bytes.skipZeros();
    await fill();
    const content = { size, start: first.subarray(0, startBytes), ...(data && { data }) };
    const entry = { path, mode, ...content, ...(isLink(mode) && { target: first.toString("utf8") }) };
    entries.push(entry);
    if (isFile(mode) && links > 1) shareContent(twins, inode, entry);
    if (entries.length > mostPaths) throw damaged(`contains more than ${mostPaths} files`);
  }
}

/** Of several names of one file, only the last has the content. */
function shareContent(twins: Map<number, InitramfsEntry[]>, inode: number, entry: InitramfsEntry): void {
  const names = twins.get(inode) ?? [];
  twins.set(inode, [...names, entry]);
  const { size, start, data } = entry;
  if (size > 0) for (const name of names) Object.assign(name, { size, start, ...(data && { data }) });
}

function isLink(mode: number): boolean {
  return (mode & 0o170000) === 0o120000;
}

function isFile(mode: number): boolean {
  return (mode & 0o170000) === 0o100000;
}

function numberAt(header: Buffer, field: number): number {
  const digits = header.toString("latin1", 6 + field * 8, 14 + field * 8);
  if (!/^[\da-f]{8}$/i.test(digits)) throw damaged("a damaged cpio archive");
  return Number.parseInt(digits, 16);
}

/** Bytes that arrive in parts. They are counted against `budget`; exceeding it is a fault. */
class ByteStream {
  position = 0;
  readonly #parts: AsyncIterator<Uint8Array>;
  readonly #budget: Pick<Found, "left">;
  #held: Buffer = Buffer.alloc(0);

  constructor(parts: AsyncIterable<Uint8Array>, budget: Pick<Found, "left">) {
    this.#parts = parts[Symbol.asyncIterator]();
    this.#budget = budget;
  }

  /** Fewer than `count` only at the end. */
  async peek(count: number): Promise<Buffer> {
    while (this.#held.length < count) {
      const part = await this.#next();
      if (!part) break;
      this.#held = this.#held.length === 0 ? part : Buffer.concat([this.#held, part]);
    }
    return this.#held.subarray(0, count);
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0) {
        const part = await this.#next();
        if (!part) throw damaged("is cut off");
        this.#held = part;
      }
      const taken = Math.min(left, this.#held.length);
      this.#take(taken);
      left -= taken;
    }
  }

  async skipZeros(): Promise<void> {
    while ((await this.peek(1)).length > 0) {
      const zeros = firstNonZero(this.#held, 0);
      this.#take(zeros);
      if (this.#held.length > 0) return;
    }
  }

  async end(): Promise<void> {
    await this.#parts.return?.();
  }

  #take(count: number): void {
    this.#held = this.#held.subarray(count);
    this.position += count;
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#parts.next();
    if (done) return undefined;
    this.#budget.left -= value.length;
    if (this.#budget.left < 0) throw damaged("unpacks to more than any machine could boot");
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}

async function* once(data: Buffer): AsyncGenerator<Uint8Array> {
  yield data;
}

function isCpio(start: Buffer): boolean {
  return /^07070[12]/.test(start.toString("latin1", 0, 6));
}

function firstNonZero(data: Buffer, from: number): number {
  for (let at = from; at < data.length; at++) if (data[at] !== 0) return at;
  return data.length;
}

function damaged(what: string, cause?: unknown): TbuildError {
  return new TbuildError("guest", what, {
    subject: "initramfs",
    hint: "Make it again in the guest: dracut --force, or mkinitrd -f.",
    ...(cause !== undefined && { cause }),
  });
}
