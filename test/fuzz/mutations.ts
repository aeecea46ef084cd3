/** A source of whole numbers from 0 up to, and without, `below`; the same for the same seed. */
export type Random = (below: number) => number;

/** mulberry32, by Tommy Ettinger; in the public domain. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Bytes to be written over others. */
export interface Patch {
  readonly at: number;
  readonly data: Buffer;
}

/** A damaged copy of some bytes: the overwritten parts, and where it is truncated. */
export interface Damage {
  readonly patches: readonly Patch[];
  readonly bytes: number;
}

const sectorBytes = 512;

/** The sectors with data: damage in zeros shows little. */
export function usedSectors(data: Buffer): number[] {
  const used: number[] = [];
  for (let at = 0; at < data.length; at += sectorBytes)
    if (data.subarray(at, at + sectorBytes).some((byte) => byte !== 0)) used.push(at);
  return used;
}

/** Damages `data` in one to eight places, most of them in its used sectors. Sometimes it is cut off as well. */
export function damageOf(data: Buffer, used: readonly number[], random: Random): Damage {
  const patches = Array.from({ length: 1 + random(8) }, () => patchOf(data, used, random));
  const bytes = random(12) === 0 ? random(data.length) : data.length;
  return { patches, bytes };
}

export function damaged(data: Buffer, { patches, bytes }: Damage): Buffer {
  const copy = Buffer.from(data);
  for (const patch of patches) patch.data.copy(copy, patch.at);
  return copy.subarray(0, bytes);
}

function patchOf(data: Buffer, used: readonly number[], random: Random): Patch {
  const sector = used.length > 0 && random(10) > 0 ? (used[random(used.length)] ?? 0) : random(data.length);
  const size = [1, 1, 2, 2, 4, 4, 4, 8, 16, 64, 512, 4096][random(12)] ?? 1;
  // Numbers are at multiples of their size, and the first fields of a structure matter most.
  const offset = random(random(3) === 0 ? 64 : sectorBytes);
  const at = Math.min(data.length - 1, sector + offset - (offset % Math.min(size, 8)));
  const length = Math.min(size, data.length - at);
  return { at, data: newValue(data, at, length, random) };
}

function newValue(data: Buffer, at: number, length: number, random: Random): Buffer {
  const old = Buffer.from(data.subarray(at, at + length));
  const copied = () => {
    const from = random(Math.max(1, data.length - length));
    return Buffer.from(data.subarray(from, from + length));
  };
  if (length > 8)
    return (
      [() => Buffer.alloc(length), () => Buffer.alloc(length, 0xff), copied, copied][random(4)]?.() ?? old
    );
  const number = () => {
    const interesting = [0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 4096, 65535, 65536, data.length, at];
    const edge = [0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xfffff000][random(5)] ?? 0;
    const value = random(3) === 0 ? edge : (interesting[random(interesting.length)] ?? 0);
    const bytes = Buffer.alloc(8);
    if (random(2) === 0) bytes.writeBigUInt64LE(BigInt(value));
    else bytes.writeBigUInt64BE((BigInt(value) << BigInt(64 - length * 8)) & 0xffffffffffffffffn);
    return bytes.subarray(0, length);
  };
  const flipped = () => {
    const byte = random(length);
    old[byte] = (old[byte] ?? 0) ^ (1 << random(8));
    return old;
  };
  const stepped = () => {
    const byte = random(length);
    old[byte] = (old[byte] ?? 0) + (random(2) === 0 ? 1 : 255);
    return old;
  };
  return [number, number, flipped, stepped, copied][random(5)]?.() ?? old;
}

/** Input that breaks parsers: numbers, brackets, quotes, paths, and invalid characters. */
const words = [
  ..."{}[]()<>'\"\\/#;:,=&%$!*?|~^@-+`",
  ...["\n", "\r\n", "\t", "\0", "\ufeff", "\ud800", "\u2028", "é", "''", '""', "'''", "\\\n", "\\x", "\\u12"],
  ...["-1", "0", "0x", "08", "1e999", "9".repeat(400), "18446744073709551616", "nan", "null", "true", "~"],
  ...[
    "../",
    "/",
    "..",
    "__proto__",
    "constructor",
    "toString",
    "%{",
    "${",
    "$(",
    "{{",
    "<!DOCTYPE x [",
    "<![CDATA[",
    "&lt;",
  ],
  ...["&a [*a]", "<<: *a", "!!binary x", "? ", "- ", ": ", "--", "UUID=", "#cloud-config", "EOF"],
];

/** Damages a text in one to six places, by mistakes and by attacks. */
export function damagedText(text: string, random: Random): string {
  let now = text;
  for (let left = 1 + random(6); left > 0; left--) now = textChange(now, random);
  return random(15) === 0 ? now.slice(0, random(now.length)) : now;
}

function textChange(text: string, random: Random): string {
  const lines = text.split("\n");
  const line = random(lines.length);
  const at = random(text.length + 1);
  const word = words[random(words.length)] ?? "";
  const length = 1 + random(random(2) === 0 ? 3 : 30);
  const put = (what: string, instead = 0) => text.slice(0, at) + what + text.slice(at + instead);
  switch (random(10)) {
    case 0:
      return lines.filter((_, index) => index !== line).join("\n");
    case 1:
      return lines.toSpliced(random(lines.length), 0, lines[line] ?? "").join("\n");
    case 2:
      return lines.with(line, lines[random(lines.length)] ?? "").join("\n");
    case 3:
      return put("", length);
    case 4:
      return put(word, random(2) * length);
    case 5:
      return put(text.slice(at, at + length), 0);
    case 6:
      return put(String.fromCharCode(random(random(2) === 0 ? 128 : 65536)), 1);
    case 7:
      return text.replace(/\d+/, () => words[random(words.length)] ?? "");
    // Deep or long, and no larger than what somebody would send.
    case 8:
      return random(6) === 0 ? put(word.repeat(1 + random(20_000))) : put(word.repeat(1 + random(40)));
    default:
      return put(word);
  }
}
