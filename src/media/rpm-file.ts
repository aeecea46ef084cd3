import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import {
  RpmHeader,
  rpmCountsBytes,
  rpmHeaderBytes,
  rpmHeaderMagic,
  rpmMagicBytes,
} from "../io/rpm-header.ts";

/**
 * Returns what is wrong with a package file: not an RPM, truncated, or bytes that do not match its digests. Signatures
 * are not checked. The format is described in `docs/manual/format*.md` of rpm-software-management/rpm.
 */
export async function faultOfRpm(file: string): Promise<string | undefined> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const lead = await bytesAt(handle, 0, leadSize, size);
    if (lead?.readUInt32BE(0) !== leadMagic) return "is not an RPM package";
    const signature = await headerAt(handle, leadSize, size);
    if (signature === undefined) return "is damaged: its signature header is missing or truncated";
    const start = leadSize + Math.ceil(signature.length / 8) * 8;
    const header = await headerAt(handle, start, size);
    if (header === undefined) return "is damaged: its header is missing or truncated";
    const promised = signature.values.number(tags.size) ?? signature.values.number(tags.longSize);
    if (promised !== undefined && promised !== size - start)
      return `is damaged: it has ${size - start} bytes behind its signature, and should have ${promised}`;
    return await wrongDigest(handle, signature.values, header.values, start, start + header.length);
  } finally {
    await handle.close();
  }
}

const leadSize = 96;
const leadMagic = 0xedabeedb;
const tags = { longSize: 270, sha256: 273, size: 1000, md5: 1004, payload: 5092, payloadAlgorithm: 5093 };

interface Sum {
  readonly hash: Hash;
  readonly from: number;
  readonly to: number;
  readonly wanted: string;
}

async function wrongDigest(
  handle: FileHandle,
  signature: RpmHeader,
  header: RpmHeader,
  start: number,
  payload: number,
): Promise<string | undefined> {
  const end = Number.POSITIVE_INFINITY;
  const sum = (name: string, from: number, to: number, wanted: string | undefined): Sum[] =>
    wanted === undefined ? [] : [{ hash: createHash(name), from, to, wanted }];
  // SHA-256 is number 8 in OpenPGP, whose numbers rpm uses.
  const known = header.number(tags.payloadAlgorithm) === 8;
  const sums = [
    ...sum("sha256", start, payload, hexText(signature, tags.sha256)),
    ...sum("sha256", payload, end, known ? hexText(header, tags.payload) : undefined),
    ...sum("md5", start, end, signature.bytes(tags.md5)?.toString("hex")),
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

function hexText(header: RpmHeader, tag: number): string | undefined {
  return header.text(tag)?.toString("latin1").toLowerCase();
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

interface PlacedHeader {
  readonly values: RpmHeader;
  /** With its magic. */
  readonly length: number;
}

async function headerAt(handle: FileHandle, at: number, size: number): Promise<PlacedHeader | undefined> {
  const intro = await bytesAt(handle, at, rpmMagicBytes + rpmCountsBytes, size);
  if (intro?.readUInt32BE(0) !== rpmHeaderMagic) return undefined;
  const length = rpmHeaderBytes(intro.subarray(rpmMagicBytes));
  const whole = length === undefined ? undefined : await bytesAt(handle, at + rpmMagicBytes, length, size);
  const values = whole && RpmHeader.of(whole);
  return values && { values, length: rpmMagicBytes + whole.length };
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
