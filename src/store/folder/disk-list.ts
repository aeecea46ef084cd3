import { TbuildError } from "../../errors.ts";
import { type Digest, digestOf } from "../../model/digest.ts";
import { largestChunk } from "./chunker.ts";

/** A part of a disk: a chunk by the sha256 of its bytes, or a hole (`undefined`). */
export interface Part {
  readonly chunk: string | undefined;
  readonly length: number;
}

/** A disk, and its size in bytes if known. */
export interface DiskKey {
  readonly digest: Digest;
  readonly bytes?: number | undefined;
}

/**
 * The contents of a disk as text. The text's sha256 is the disk's digest.
 *
 *     tbuild disk 2
 *     <bytes>
 *     <sha256> <length>     a chunk
 *     0 <length>            a hole
 */
export function diskListText(bytes: number, parts: readonly Part[]): string {
  return `tbuild disk 2\n${bytes}\n${parts.map(({ chunk, length }) => `${chunk ?? 0} ${length}\n`).join("")}`;
}

export function diskListDigest(text: string | Uint8Array): Digest {
  return digestOf(text);
}

/** Reads an untrusted list. */
export function readDiskList(disk: DiskKey, text: string): readonly Part[] {
  if (diskListDigest(text) !== disk.digest)
    throw new TbuildError("integrity", `disk ${disk.digest}: its chunk list does not match its digest`);
  const lines = text.split("\n");
  const parts = lines.slice(2, -1).map((line): Part => {
    const [, chunk = "", length = ""] = /^([0-9a-f]{64}|0) ([1-9]\d{0,15})$/.exec(line) ?? [];
    return { chunk: chunk === "0" ? undefined : chunk, length: Number(length) };
  });
  let at = 0;
  const fits = parts.every(({ chunk, length }) => {
    const begins = at % 4096 === 0;
    at += length;
    return begins && length > 0 && (chunk === undefined || length <= largestChunk);
  });
  const bytes = disk.bytes ?? at;
  if (
    lines[0] !== "tbuild disk 2" ||
    lines[1] !== String(bytes) ||
    lines.at(-1) !== "" ||
    !fits ||
    at !== bytes
  )
    throw new TbuildError(
      "integrity",
      `disk ${disk.digest}: its chunk list does not add up to ${bytes} bytes`,
    );
  return parts;
}
