/**
 * A secret key packet of OpenPGP at the start of a file (RFC 9580, 4.2 and 5.5), as `gpg --export-secret-keys` and
 * `secring.gpg` have it. What follows it must be a packet, too: two bytes alone occur by chance.
 */
export function openPgpSecret(data: Buffer): string | undefined {
  const first = packetAt(data, 0);
  if (first?.tag !== secretKey || first.end > data.length) return undefined;
  const version = data[first.start] ?? 0;
  if (version < 3 || version > 6 || first.end - first.start < 20) return undefined;
  const algorithm = data[first.start + (version === 3 ? 7 : 5)] ?? 0;
  if (!algorithms.has(algorithm)) return undefined;
  const next = first.end === data.length ? undefined : packetAt(data, first.end);
  const isFollowed = first.end === data.length || (next !== undefined && follows.has(next.tag));
  return isFollowed ? "a private key of OpenPGP" : undefined;
}

const secretKey = 5;
// Signature, secret key, public key, secret subkey, trust, user id, public subkey, user attribute.
const follows = new Set([2, 5, 6, 7, 12, 13, 14, 17]);
const algorithms = new Set([1, 2, 3, 16, 17, 18, 19, 22, 25, 26, 27, 28]);

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
