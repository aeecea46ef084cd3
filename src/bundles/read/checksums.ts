import { createHash } from "node:crypto";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { fileSource } from "./byte-source.ts";
import type { Member, UnpackOptions } from "./members.ts";
import { shown } from "./tar-entries.ts";

export interface Checksum {
  readonly algorithm: "sha1" | "sha256" | "sha512";
  readonly file: string;
  readonly hex: string;
}

/** The lines of an OVF manifest, `SHA1(file)= hex`, with optional blanks. */
export function readChecksums(what: string, text: string): Checksum[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, index): Checksum[] => {
    if (line.trim() === "") return [];
    const [, word = "", file = "", hex = ""] =
      /^\s*(SHA1|SHA256|SHA512)\s*\((.+)\)\s*=\s*([\da-f]+)\s*$/i.exec(line) ?? [];
    const algorithm = word.toLowerCase() as Checksum["algorithm"];
    if (hex.length !== hexDigits[algorithm])
      throw new TbuildError("integrity", `${what}:${index + 1}: is not a checksum: ${shown(line)}`);
    return [{ algorithm, file, hex: hex.toLowerCase() }];
  });
}

/** Verifies a file. A different checksum is an `integrity` fault. */
export async function checkSum(member: Member, sum: Checksum, options: UnpackOptions): Promise<void> {
  const hash = createHash(sum.algorithm);
  await using source = await fileSource(member.file, member);
  for (;;) {
    checkInterrupted(options.signal);
    const data = await source.read(4 << 20);
    if (data.length === 0) break;
    hash.update(data);
    options.progress?.(`checking ${member.name}`, source.position, member.bytes);
  }
  const found = hash.digest("hex");
  if (found !== sum.hex)
    throw new TbuildError("integrity", "does not match its manifest", {
      subject: shown(member.name),
      lines: [`${sum.algorithm} in the manifest  ${sum.hex}`, `${sum.algorithm} of the file       ${found}`],
      hint: "Download it again. If the error persists, someone changed the file after it was packed.",
    });
}

const hexDigits: Readonly<Record<string, number>> = { sha1: 40, sha256: 64, sha512: 128 };
