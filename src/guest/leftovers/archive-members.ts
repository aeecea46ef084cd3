import { rpmCountsBytes, rpmHeaderBytes, rpmHeaderMagic, rpmMagicBytes } from "../../io/rpm-header.ts";

export interface ArchiveMember {
  /** Absent for bytes of the archive that are not a file, such as the scripts of a package, or a further archive behind its end. */
  readonly name?: string;
  readonly data: Buffer;
}

/** Archives that store their files uncompressed. */
export type ArchiveKind = "tar" | "cpio" | "ar" | "rpm";

/** The kind of an archive, from its first bytes. */
export function archiveKindOf(data: Buffer): ArchiveKind | undefined {
  const start = data.toString("latin1", 0, 8);
  if (start === "!<arch>\n") return "ar";
  if (start.startsWith("\xed\xab\xee\xdb")) return "rpm";
  if (isCpio(data)) return "cpio";
  return isTar(data) ? "tar" : undefined;
}

/** The files in an archive. Throws `BadArchive` if it is damaged, after the members before the damage. */
export async function* archiveMembers(kind: ArchiveKind, data: Buffer): AsyncGenerator<ArchiveMember> {
  if (kind === "tar") yield* tarMembers(data);
  else if (kind === "cpio") yield* cpioMembers(data);
  else if (kind === "ar") yield* arMembers(data);
  else yield* rpmParts(data);
}

/** An archive is damaged or truncated. */
export class BadArchive extends Error {}

// A tar header has a sum of its bytes, with blanks in place of the sum (POSIX, pax).
function isTar(data: Buffer): boolean {
  if (data.length < 512 || data[0] === 0) return false;
  const stated = Number.parseInt(data.toString("latin1", 148, 156).replace(/^[ \0]+/, ""), 8);
  if (!(stated > 0)) return false;
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += data[at] ?? 0;
  return sum === stated;
}

async function* tarMembers(data: Buffer): AsyncGenerator<ArchiveMember> {
  const { tarEntries } = await import("../../io/tar.ts");
  try {
    for await (const { name, size, body } of tarEntries(oneByOne(data))) {
      if (size === 0) {
        yield { name, data: Buffer.alloc(0) };
        continue;
      }
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      yield { name, data: Buffer.concat(pieces) };
    }
  } catch (error) {
    // tar-stream's errors have neither class nor code; those of the system have a code.
    if (error instanceof Error && !("code" in error)) throw new BadArchive("tar", { cause: error });
    throw error;
  }
}

// In pieces, because tar-stream copies what is left of a piece for each member.
async function* oneByOne(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 65536) yield data.subarray(at, at + 65536);
}

interface CpioForm {
  readonly magic: string;
  readonly headerBytes: number;
  /** Names and contents are padded to a multiple of it. */
  readonly unit: number;
  /** The lengths of a name and of a content. */
  lengths(header: Buffer): readonly [number, number];
}

// cpio(5): "newc" with and without sums, "odc", and the old form of 16-bit words in both byte orders.
const cpioForms: readonly CpioForm[] = [
  ...["070701", "070702"].map((magic) => ({
    magic,
    headerBytes: 110,
    unit: 4,
    lengths: (header: Buffer) => [textNumber(header, 94, 8, 16), textNumber(header, 54, 8, 16)] as const,
  })),
  {
    magic: "070707",
    headerBytes: 76,
    unit: 1,
    lengths: (header) => [textNumber(header, 59, 6, 8), textNumber(header, 65, 11, 8)],
  },
  {
    magic: "\xc7\x71",
    headerBytes: 26,
    unit: 2,
    lengths: (header) => [header.readUInt16LE(20), header.readUInt16LE(22) * 65536 + header.readUInt16LE(24)],
  },
  {
    magic: "\x71\xc7",
    headerBytes: 26,
    unit: 2,
    lengths: (header) => [header.readUInt16BE(20), header.readUInt16BE(22) * 65536 + header.readUInt16BE(24)],
  },
];

function* cpioMembers(data: Buffer): Generator<ArchiveMember> {
  let at = 0;
  for (let name: string | undefined; name !== "TRAILER!!!"; ) {
    const entry = cpioEntry(data, at);
    if (entry === undefined) throw new BadArchive("cpio");
    ({ end: at, name } = entry);
    if (name !== "TRAILER!!!") yield entry;
  }
  while (data[at] === 0) at++;
  if (at < data.length) yield { data: data.subarray(at) };
}

/** The entry at a place; `undefined` if there is none, or not all of it. */
function cpioEntry(data: Buffer, at: number): (ArchiveMember & { readonly end: number }) | undefined {
  const form = cpioForms.find(({ magic }) => data.toString("latin1", at, at + magic.length) === magic);
  if (!form || at + form.headerBytes > data.length) return undefined;
  const { headerBytes, unit } = form;
  const filled = (place: number) => Math.ceil(place / unit) * unit;
  const [nameBytes, bytes] = form.lengths(data.subarray(at, at + headerBytes));
  const start = at + filled(headerBytes + nameBytes);
  if (!(nameBytes > 0) || !(bytes >= 0) || start + bytes > data.length) return undefined;
  const nameEnd = at + headerBytes + nameBytes - 1;
  if (data[nameEnd] !== 0) return undefined;
  return {
    name: data.toString("latin1", at + headerBytes, nameEnd),
    data: data.subarray(start, start + bytes),
    end: start + filled(bytes),
  };
}

// The old form's magic has only two bytes, so its first entry must be whole.
function isCpio(data: Buffer): boolean {
  const start = data.toString("latin1", 0, 6);
  return (
    /^07070[127]/.test(start) || (/^(?:\xc7\x71|\x71\xc7)/.test(start) && cpioEntry(data, 0) !== undefined)
  );
}

function textNumber(data: Buffer, at: number, length: number, radix: number): number {
  return Number.parseInt(data.toString("latin1", at, at + length), radix);
}

// ar(5): a header of 60 bytes for each member, at even places.
function* arMembers(data: Buffer): Generator<ArchiveMember> {
  for (let at = 8; at < data.length; ) {
    const header = data.toString("latin1", at, at + 60);
    const bytes = Number.parseInt(header.slice(48, 58), 10);
    if (!header.endsWith("`\n") || !(bytes >= 0) || at + 60 + bytes > data.length) throw new BadArchive("ar");
    yield {
      name: header.slice(0, 16).trimEnd().replace(/\/$/, ""),
      data: data.subarray(at + 60, at + 60 + bytes),
    };
    at += 60 + bytes + (bytes % 2);
  }
}

const rpmLeadBytes = 96;

/** The header of a package, which has its scripts, and its payload, which is a compressed cpio archive. */
function* rpmParts(data: Buffer): Generator<ArchiveMember> {
  const signature = rpmHeaderEnd(data, rpmLeadBytes);
  const start = rpmLeadBytes + Math.ceil((signature - rpmLeadBytes) / 8) * 8;
  const end = rpmHeaderEnd(data, start);
  yield { data: data.subarray(start, end) };
  yield { data: data.subarray(end) };
}

function rpmHeaderEnd(data: Buffer, at: number): number {
  const intro = data.subarray(at, at + rpmMagicBytes + rpmCountsBytes);
  const isHeader =
    intro.length === rpmMagicBytes + rpmCountsBytes && intro.readUInt32BE(0) === rpmHeaderMagic;
  const length = isHeader ? rpmHeaderBytes(intro.subarray(rpmMagicBytes)) : undefined;
  if (length === undefined || at + rpmMagicBytes + length > data.length) throw new BadArchive("rpm");
  return at + rpmMagicBytes + length;
}
