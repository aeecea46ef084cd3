import { TbuildError } from "../../errors.ts";
import type { ByteSource } from "./byte-source.ts";

/** A regular file in a tar. */
export interface TarEntry {
  readonly name: string;
  /** The unpacked size in bytes. */
  readonly bytes: number;
  /** The offset of its data in the source, and the number of bytes stored. */
  readonly offset: number;
  readonly stored: number;
  /** For a sparse file (`tar -S`): the ranges that are stored, in order. The rest is zeros. */
  readonly data?: readonly { readonly start: number; readonly bytes: number }[];
}

/** The limits of an archive. */
export const mostEntries = 1000;
const mostNameBytes = 4096;
const mostExtensionBytes = 1 << 20;
const mostSparseParts = 1 << 20;

/**
 * The files of a tar: ustar, GNU and pax, including GNU tar's sparse files. Folders are skipped. A name that leads
 * outside, a link, a device, or a duplicate name is an `integrity` fault of `what`. After each entry, the caller must not
 * have read beyond its end; unread data is skipped.
 */
export async function* tarEntries(what: string, source: ByteSource): AsyncIterable<TarEntry> {
  const refuse = refuser(what);
  const seen = new Set<string>();
  let next: Extension = {};
  for (let count = 0; ; ) {
    const header = await source.read(512);
    if (header.length === 0 && count === 0) throw refuse("is empty");
    if (header.length < 512) throw refuse("is cut off: the end of its tar is missing");
    if (isZero(header)) return;
    if (!sumIsRight(header)) throw refuse(count === 0 ? "is not a tar" : "has a damaged tar header");
    if (++count > mostEntries) throw refuse(`has more than ${mostEntries} entries`);
    const type = String.fromCharCode(header[156] ?? 0);
    const stored = next.size ?? numberAt(header, 124, 12);
    if (!Number.isSafeInteger(stored) || stored < 0) throw refuse("has an entry of an impossible size");
    const kind = kinds[type];
    if (kind === "extension") {
      if (stored > mostExtensionBytes) throw refuse("has an extended header of more than 1 MiB");
      const body = Buffer.from(await source.read(padded(stored))).subarray(0, stored);
      if (body.length < stored) throw refuse("ends in the middle of a header");
      next = { ...next, ...readExtension(type, body) };
      continue;
    }
    const name = plainName(next.name ?? nameIn(header), refuse);
    if (kind === "folder") {
      next = {};
      continue;
    }
    if (kind !== "file")
      throw refuse(
        `contains ${shown(name)}, which is ${notFiles[type] ?? `of an unknown kind, "${shown(type)}"`}`,
      );
    if (seen.has(name)) throw refuse(`contains ${shown(name)} twice`);
    seen.add(name);
    const entry = await fileEntry(name, type, header, stored, next, source, refuse);
    next = {};
    yield entry;
    const end = entry.offset + padded(entry.stored);
    if (source.position < end) await source.skip(end - source.position);
  }
}

const kinds: Readonly<Record<string, "file" | "folder" | "extension">> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "5": "folder",
  x: "extension",
  g: "extension",
  L: "extension",
  K: "extension",
};

const notFiles: Readonly<Record<string, string>> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a device",
  "4": "a device",
  "6": "a pipe",
};

interface Extension {
  readonly name?: string;
  readonly size?: number;
  readonly pax?: Readonly<Record<string, string>>;
  /** The pairs of a sparse map in pax formats 0.0 and 0.1. */
  readonly map?: readonly number[];
}

async function fileEntry(
  name: string,
  type: string,
  header: Uint8Array,
  stored: number,
  { pax = {}, map }: Extension,
  source: ByteSource,
  refuse: (text: string) => TbuildError,
): Promise<TarEntry> {
  const began = source.position;
  const old = type === "S" ? await oldSparseMap(header, source, refuse) : undefined;
  const newest = pax["GNU.sparse.major"] === "1" ? await newSparseMap(source, refuse) : undefined;
  const pairs = old?.pairs ?? newest ?? map;
  // In the old format, the map is between header and data and does not count as size; in pax 1.0 it counts.
  const left = old ? stored : stored - (source.position - began);
  const offset = source.position;
  if (!pairs) return { name, bytes: stored, offset, stored };
  const bytes = old?.bytes ?? Number(pax["GNU.sparse.realsize"] ?? pax["GNU.sparse.size"] ?? Number.NaN);
  const data: { start: number; bytes: number }[] = [];
  let end = 0;
  let sum = 0;
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [start = Number.NaN, length = Number.NaN] = [pairs[i], pairs[i + 1]];
    if (!(start >= end && length >= 0))
      throw refuse(`contains ${shown(name)}, whose sparse map is not in order`);
    end = start + length;
    sum += length;
    if (length > 0) data.push({ start, bytes: length });
  }
  if (!(Number.isSafeInteger(bytes) && end <= bytes && sum === left))
    throw refuse(`contains ${shown(name)}, whose sparse map does not match its size`);
  return { name, bytes, offset, stored: left, data };
}

/** GNU's format: four pairs in the header, then blocks of 21 pairs while a flag is set. */
async function oldSparseMap(header: Uint8Array, source: ByteSource, refuse: (text: string) => TbuildError) {
  const pairs: number[] = [];
  const add = (block: Uint8Array, from: number, count: number) => {
    for (let i = 0; i < count; i++) {
      const at = from + i * 24;
      if (block[at] === 0) return;
      pairs.push(numberAt(block, at, 12), numberAt(block, at + 12, 12));
    }
  };
  add(header, 386, 4);
  for (let more = header[482] === 1; more; ) {
    const block = await source.read(512);
    if (block.length < 512 || pairs.length > mostSparseParts) throw refuse("has a damaged sparse map");
    add(block, 0, 21);
    more = block[504] === 1;
  }
  return { pairs, bytes: numberAt(header, 483, 12) };
}

/** pax format 1.0: the map precedes the data, as decimal lines padded to a block. */
async function newSparseMap(source: ByteSource, refuse: (text: string) => TbuildError): Promise<number[]> {
  const numbers: number[] = [];
  let text = "";
  for (let wanted = 1; numbers.length < wanted; ) {
    const block = await source.read(512);
    if (block.length < 512) throw refuse("has a damaged sparse map");
    const lines = (text + Buffer.from(block).toString("latin1")).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (numbers.length >= wanted) break;
      if (!/^\d{1,15}$/.test(line)) throw refuse("has a damaged sparse map");
      numbers.push(Number(line));
      if (numbers.length === 1) wanted = 1 + 2 * Number(line);
    }
    if (wanted > mostSparseParts || text.length > 512) throw refuse("has a damaged sparse map");
  }
  return numbers.slice(1);
}

function readExtension(type: string, body: Buffer): Extension {
  if (type === "K" || type === "g") return {};
  if (type === "L") return { name: body.toString("utf8").replace(/\0.*$/s, "") };
  const pax: Record<string, string> = {};
  const map: number[] = [];
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at);
    const length = Number(body.toString("latin1", at, blank));
    if (blank < 0 || !Number.isInteger(length) || length <= blank - at + 1) break;
    const line = body.toString("utf8", blank + 1, at + length - 1);
    const [key, value] = [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)];
    at += length;
    if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") map.push(Number(value));
    else if (key === "GNU.sparse.map") map.push(...value.split(",").map(Number));
    else pax[key] = value;
  }
  const name = pax["GNU.sparse.name"] ?? pax.path;
  return {
    pax,
    ...(name !== undefined && { name }),
    ...(pax.size !== undefined && { size: Number(pax.size) }),
    ...(map.length > 0 && { map }),
  };
}

/** A validated file name from an archive: relative, no `..`, no terminal control characters. */
export function plainName(name: string, refuse: (text: string) => TbuildError): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (name.startsWith("/")) throw refuse(`contains ${shown(name)}, an absolute path`);
  if (parts.includes("..")) throw refuse(`contains ${shown(name)}, a path that leads out of it`);
  if (/\p{Cc}|\\/u.test(name)) throw refuse(`contains ${shown(name)}, a name with control characters`);
  if (Buffer.byteLength(name) > mostNameBytes) throw refuse("contains a name of more than 4096 bytes");
  return parts.join("/");
}

function refuser(what: string): (text: string) => TbuildError {
  return (text) => new TbuildError("integrity", text, { subject: what });
}

/** The name as a JSON string, so that it is only text; long names are cut. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name).replaceAll(
    /[\u007f-\u009f]/g,
    (c) => `\\u00${c.charCodeAt(0).toString(16)}`,
  );
}

function nameIn(header: Uint8Array): string {
  const prefix = textAt(header, 257, 6) === "ustar" && header[262] === 0 ? textAt(header, 345, 155) : "";
  return prefix === "" ? textAt(header, 0, 100) : `${prefix}/${textAt(header, 0, 100)}`;
}

function textAt(block: Uint8Array, at: number, length: number): string {
  return Buffer.from(block)
    .toString("utf8", at, at + length)
    .replace(/\0.*$/s, "");
}

/** Octal digits, or a binary number if the highest bit is set (GNU, for 8 GiB and more). */
function numberAt(block: Uint8Array, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) {
    const high = Buffer.from(block).readUIntBE(at + 1, length - 7);
    return ((block[at] ?? 0) & 0x7f) !== 0 || high > 0x1f
      ? Number.NaN
      : high * 2 ** 48 + Buffer.from(block).readUIntBE(at + length - 6, 6);
  }
  const text = textAt(block, at, length).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || "0", 8) : Number.NaN;
}

function sumIsRight(header: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : (header[i] ?? 0);
  return sum === numberAt(header, 148, 8);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 512) * 512;
}

function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}
