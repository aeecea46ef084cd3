import { TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { type FileDigestOptions, fileDigest } from "../io/file-digest.ts";
import { type Medium, releaseOf } from "./media.ts";

/** The disc that a recipe needs. */
export interface WantedMedium {
  readonly major: number;
  readonly update: number;
  /** Omitted values are unknown and are not checked. Without a digest, nothing is proved. */
  readonly volumeId?: string;
  /** The size of the volume in bytes. The file may be longer. */
  readonly bytes?: number;
  readonly sha256?: string;
}

/** Verifies that a medium is the expected one (its description, its size, every byte). Returns its digest. */
export async function checkMedium(
  medium: Medium,
  wanted: WantedMedium,
  options: FileDigestOptions,
): Promise<string> {
  const is = printable(releaseOf(medium));
  const want = `OL${wanted.major}.${wanted.update}`;
  // A disc without an update in its description is identified by its label, size and digest.
  if (is !== (medium.update === undefined ? `OL${wanted.major}` : want))
    throw new TbuildError(
      "usage",
      `this is ${is} (volume id ${printable(medium.volumeId)}), the recipe needs ${want}`,
      { subject: medium.file },
    );
  if (wanted.volumeId !== undefined && medium.volumeId !== wanted.volumeId)
    throw new TbuildError(
      "usage",
      `its volume id is "${printable(medium.volumeId)}", the recipe needs "${wanted.volumeId}"`,
      { subject: medium.file },
    );
  if (wanted.bytes !== undefined && medium.bytes !== wanted.bytes)
    throw new TbuildError("integrity", "is not the disc that the recipe names", {
      subject: medium.file,
      lines: [`its volume has   ${medium.bytes} bytes`, `the recipe says ${wanted.bytes} bytes`],
      hint: "Download it again, or correct iso.bytes if this is the right disc.",
    });
  const digest = await fileDigest(medium.file, options);
  if (wanted.sha256 === undefined)
    throw new TbuildError("usage", "the recipe has no digest for this disc", {
      subject: medium.file,
      hint: "Compare it with Oracle's checksum file (https://linux.oracle.com/security/gpg/), and set iso.sha256.",
      lines: [`iso: { sha256: ${digest} }`],
    });
  if (digest !== wanted.sha256)
    throw new TbuildError("integrity", "is not the disc that the recipe names", {
      subject: medium.file,
      lines: [`its sha256 is   ${digest}`, `the recipe has  ${wanted.sha256}`],
      hint: "Download it again, or correct iso.sha256 if this is the right disc.",
    });
  return digest;
}
