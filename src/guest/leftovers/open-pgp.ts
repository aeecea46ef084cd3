/**
 * A secret key packet of OpenPGP at the start of a file (RFC 9580, 4.2 and 5.5), as `gpg
 * --export-secret-keys` and `secring.gpg` have it. A packet must follow, too, because two bytes alone occur
 * by chance.
 */
export function openPgpSecret(data: Buffer): string | undefined {
  const first = packetAt(data, 0);
  if (first?.tag !== secretKey || first.end > data.length) return undefined;
  if (!isKey(data.subarray(first.start, first.end))) return undefined;
  const next = first.end === data.length ? undefined : packetAt(data, first.end);
  const isFollowed = first.end === data.length || (next !== undefined && follows.has(next.tag));
  return isFollowed ? "a private key of OpenPGP" : undefined;
}

const secretKey = 5;
// Signature, secret key, public key, secret subkey, trust, user id, public subkey, user attribute.
const follows = new Set([2, 5, 6, 7, 12, 13, 14, 17]);

/** Offsets in a packet of a key: RFC 9580, 5.5.2. Version 3 has two bytes of validity before the algorithm. */
const keyAt = { version: 0, created: 1, algorithm: 5, algorithmOfVersion3: 7 } as const;
/** 1991, when PGP was made, in seconds since 1970. */
const firstYear = 662_688_000;
/** RFC 9580, 9.1: those whose key begins with a large number, with the OID of a curve, or with the bytes of a point. */
const [integers, curves] = [new Set([1, 2, 3, 16, 17]), new Set([18, 19, 22])];
const pointBytes: Readonly<Record<number, number>> = { 25: 32, 26: 56, 27: 32, 28: 57 };

/**
 * Whether these bytes have the shape of a key. About 3 in a million random sequences after a key's tag have
 * it.
 */
function isKey(body: Buffer): boolean {
  const version = body[keyAt.version] ?? 0;
  if (version < 3 || version > 6 || body.length < 20) return false;
  const created = body.readUInt32BE(keyAt.created);
  if (created < firstYear || created > Date.now() / 1000 + 86400 * 365) return false;
  const algorithmAt = version === 3 ? keyAt.algorithmOfVersion3 : keyAt.algorithm;
  const algorithm = body[algorithmAt] ?? 0;
  // From version 5 on, the length of the public key in 4 bytes comes first.
  const material = body.subarray(algorithmAt + (version < 5 ? 1 : 5));
  if (integers.has(algorithm)) return beginsWithInteger(material);
  if (curves.has(algorithm)) return beginsWithCurve(material);
  return material.length > (pointBytes[algorithm] ?? Number.POSITIVE_INFINITY) && version !== 3;
}

// Its length in bits, then its bytes, of which the first has exactly the bits that the length leaves (RFC 9580, 3.2).
function beginsWithInteger(material: Buffer): boolean {
  if (material.length < 3) return false;
  const bits = material.readUInt16BE(0);
  const first = material[2] ?? 0;
  return (
    bits >= 512 &&
    bits <= 16384 &&
    2 + bits / 8 <= material.length &&
    32 - Math.clz32(first) === ((bits - 1) % 8) + 1
  );
}

// Its length, then an OID below 1.2 or 1.3 (RFC 9580, 9.2).
function beginsWithCurve(material: Buffer): boolean {
  const [bytes = 0, first = 0] = material;
  return bytes >= 5 && bytes <= 10 && (first === 0x2a || first === 0x2b);
}

interface Packet {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

function packetAt(data: Buffer, at: number): Packet | undefined {
  const head = data[at] ?? 0;
  if ((head & 0x80) === 0 || at + 6 > data.length) return undefined;
  const [one, two] = [data.readUInt8(at + 1), data.readUInt8(at + 2)];
  const packet = (tag: number, header: number, bytes: number): Packet => ({
    tag,
    start: at + header,
    end: at + header + bytes,
  });
  if (head & 0x40) {
    const tag = head & 0x3f;
    if (one < 192) return packet(tag, 2, one);
    if (one < 224) return packet(tag, 3, ((one - 192) << 8) + two + 192);
    return one === 255 ? packet(tag, 6, data.readUInt32BE(at + 2)) : undefined;
  }
  const tag = (head >> 2) & 0xf;
  const kind = head & 3;
  if (kind === 0) return packet(tag, 2, one);
  if (kind === 1) return packet(tag, 3, data.readUInt16BE(at + 1));
  return kind === 2 ? packet(tag, 5, data.readUInt32BE(at + 1)) : undefined;
}
