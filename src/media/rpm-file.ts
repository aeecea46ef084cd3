import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/**
 * Returns what is wrong with a package file: not an RPM, truncated, or bytes that do not match its digests. Signatures
 * are not checked. The format is described in `docs/manual/format*.md` of rpm-software-management/rpm.
 */
export async function faultOfRpm(file: string): Promise<string | undefined> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const lead = await bytesAt(handle, 0, leadSize, size);
    if (lead?.readUInt32BE(0) !== 0xedabeedb) return "is no RPM package";
    const signature = await headerAt(handle, leadSize, size);
    if (signature === undefined) return "is damaged: its signature header is missing or truncated";
    const start = leadSize + Math.ceil(signature.length / 8) * 8;
    const header = await headerAt(handle, start, size);
    if (header === undefined) return "is damaged: its header is missing or truncated";
    const promised = signature.number(tags.size) ?? signature.number(tags.longSize);
    if (promised !== undefined && promised !== size - start)
      return `is damaged: it has ${size - start} bytes behind its signature, and should have ${promised}`;
    return await wrongDigest(handle, signature, header, start, start + header.length);
  } finally {
    await handle.close();
  }
}

const leadSize = 96;
const tags = { longSize: 270, sha256: 273, size: 1000, md5: 1004, payload: 5092, payloadAlgorithm: 5093 };

interface Sum {
  readonly hash: Hash;
  readonly from: number;
  readonly to: number;
  readonly wanted: string;
}

async function wrongDigest(
  handle: FileHandle,
  signature: Header,
  header: Header,
  start: number,
  payload: number,
): Promise<string | undefined> {
  const end = Number.POSITIVE_INFINITY;
  const sum = (name: string, from: number, to: number, wanted: string | undefined): Sum[] =>
    wanted === undefined ? [] : [{ hash: createHash(name), from, to, wanted }];
  // SHA-256 is number 8 in OpenPGP, whose numbers rpm uses.
  const known = header.number(tags.payloadAlgorithm) === 8;
  const sums = [
    ...sum("sha256", start, payload, signature.text(tags.sha256)),
    ...sum("sha256", payload, end, known ? header.text(tags.payload) : undefined),
    ...sum("md5", start, end, signature.hex(tags.md5, 16)),
  ];
  if (sums.length === 0) return undefined;
  const chunk = Buffer.allocUnsafe(1 << 20);
  for (let at = start; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    for (const { hash, from, to } of sums)
      hash.update(chunk.subarray(clamp(from - at, bytesRead), clamp(to - at, bytesRead)));
    at += bytesRead;
  }
  return sums.every(({ hash, wanted }) => hash.digest("hex") === wanted)
    ? undefined
    : "is damaged: its contents do not match its digest";
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

/** An rpm header: entries of 16 bytes (tag, type, offset, count), and a data store that they point into. */
class Header {
  readonly length: number;
  private readonly bytes: Buffer;
  private readonly store: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.store = 16 + bytes.readUInt32BE(8) * 16;
  }

  number(tag: number): number | undefined {
    const entry = this.find(tag);
    if (entry?.type === 4 && entry.at + 4 <= this.length) return this.bytes.readUInt32BE(entry.at);
    if (entry?.type === 5 && entry.at + 8 <= this.length) return Number(this.bytes.readBigUInt64BE(entry.at));
    return undefined;
  }

  text(tag: number): string | undefined {
    const at = this.find(tag)?.at;
    if (at === undefined) return undefined;
    const end = this.bytes.indexOf(0, at);
    return this.bytes.toString("latin1", at, end < 0 ? this.length : end).toLowerCase();
  }

  hex(tag: number, size: number): string | undefined {
    const at = this.find(tag)?.at;
    return at === undefined ? undefined : this.bytes.toString("hex", at, at + size);
  }

  private find(tag: number): { type: number; at: number } | undefined {
    for (let at = 16; at < this.store; at += 16)
      if (this.bytes.readUInt32BE(at) === tag)
        return { type: this.bytes.readUInt32BE(at + 4), at: this.store + this.bytes.readUInt32BE(at + 8) };
    return undefined;
  }
}

// rpm itself refuses a header of more than 256 MiB or 65 535 entries.
async function headerAt(handle: FileHandle, at: number, size: number): Promise<Header | undefined> {
  const intro = await bytesAt(handle, at, 16, size);
  if (intro?.readUInt32BE(0) !== 0x8eade801) return undefined;
  const [entries, store] = [intro.readUInt32BE(8), intro.readUInt32BE(12)];
  if (entries > 0xffff || store > 256 << 20) return undefined;
  const whole = await bytesAt(handle, at, 16 + entries * 16 + store, size);
  return whole && new Header(whole);
}

async function bytesAt(
  handle: FileHandle,
  at: number,
  length: number,
  size: number,
): Promise<Buffer | undefined> {
  if (at + length > size) return undefined;
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, at);
  return bytesRead === length ? bytes : undefined;
}
