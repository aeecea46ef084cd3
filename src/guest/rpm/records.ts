import type { GuestTree } from "../../image/tree.ts";
import { recorded } from "../../io/escape.ts";
import { RpmHeader } from "../../io/rpm-header.ts";
import type { PackageRecord } from "../../model/manifest.ts";
import { readHeaders, unlessDamaged } from "./database.ts";
import { parseHeader } from "./header.ts";

/** What a manifest says about each package of a guest, as rpm in the guest would; `undefined` without an rpm database. */
export async function readPackageRecords(tree: GuestTree): Promise<PackageRecord[] | undefined> {
  const headers = await readHeaders(tree);
  return (
    headers &&
    unlessDamaged(() =>
      headers
        .flatMap(recordOf)
        .sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)),
    )
  );
}

const license = 1014;
// The signature over the header, and the one over the whole file, by RSA and by other algorithms.
const signatures = [268, 267, 259, 262];

function recordOf(header: Buffer): PackageRecord[] {
  const found = parseHeader(header);
  const values = RpmHeader.of(header);
  if (!found || !values) return [];
  const terms = values.text(license)?.toString() ?? "";
  const key = signatures.flatMap((tag) => signer(values.bytes(tag)) ?? [])[0];
  return [
    {
      name: recorded(found.name),
      epoch: found.epoch ?? 0,
      version: recorded(found.version),
      release: recorded(found.release),
      arch: recorded(found.arch ?? "(none)"),
      ...(terms !== "" && { license: recorded(terms) }),
      ...(key !== undefined && { signature: key }),
    },
  ];
}

/** The id of the key that made an OpenPGP signature: RFC 4880, 4.2 and 5.2. */
function signer(packet: Buffer | undefined): string | undefined {
  if (!packet) return undefined;
  const body = packet.subarray(headerBytes(packet));
  const version = body.at(0);
  if (version === 3) return body.length >= 15 ? body.toString("hex", 7, 15) : undefined;
  if (version !== 4 || body.length < 6) return undefined;
  const hashed = body.readUInt16BE(4);
  const at = 6 + hashed;
  const unhashed = at + 2 <= body.length ? body.readUInt16BE(at) : 0;
  return issuer(body.subarray(at + 2, at + 2 + unhashed)) ?? issuer(body.subarray(6, at));
}

const subpackets = { issuer: 16, issuerFingerprint: 33 };

function issuer(area: Buffer): string | undefined {
  for (let at = 0; at < area.length; ) {
    const { bytes, start } = lengthAt(area, at);
    const value = area.subarray(start + 1, start + bytes);
    const kind = (area.at(start) ?? 0) & 127;
    if (kind === subpackets.issuer && value.length === 8) return value.toString("hex");
    // A fingerprint of a key of version 4 ends with the id of the key.
    if (kind === subpackets.issuerFingerprint && value.length === 21) return value.toString("hex", 13);
    at = start + Math.max(bytes, 1);
  }
  return undefined;
}

/** How many bytes a packet's header has. */
function headerBytes(packet: Buffer): number {
  const tag = packet.at(0) ?? 0;
  if ((tag & 64) !== 0) return lengthAt(packet, 1).start;
  return 1 + ([1, 2, 4, 0][tag & 3] ?? 0);
}

/** A length of the new format: of one, two or five bytes. */
function lengthAt(data: Buffer, at: number): { readonly bytes: number; readonly start: number } {
  const first = data.at(at) ?? 0;
  if (first < 192) return { bytes: first, start: at + 1 };
  if (first < 255) return { bytes: ((first - 192) << 8) + (data.at(at + 1) ?? 0) + 192, start: at + 2 };
  return { bytes: at + 5 <= data.length ? data.readUInt32BE(at + 1) : 0, start: at + 5 };
}
