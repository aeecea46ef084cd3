import { createHash } from "node:crypto";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import type { Digest, Manifest } from "./store.ts";

const Name = z.string().regex(/^[a-z][a-z0-9-]*$/);
const Version = z.string().regex(/^\d+\.\d+\.\d+$/);
export const DigestText = z.string().regex(/^sha256:[0-9a-f]{64}$/);

// What becomes a path or an address is checked; the rest is for people, and is kept as it stands.
const Checked = z.looseObject({
  schema: z.literal(1),
  kind: z.enum(["master", "template"]),
  name: Name,
  version: Version,
  rehearsal: z.boolean(),
  disks: z.array(
    z.looseObject({
      name: z.string().regex(/^[\w-]+$/),
      digest: DigestText,
      bytes: z.int().min(0),
      dataBytes: z.int().min(0),
    }),
  ),
  parent: DigestText.optional(),
  bundles: z.array(z.looseObject({ file: z.string().regex(/^[\w.+-]+$/) })),
});

/** Canonical JSON: keys sorted, so that the same manifest has the same bytes, and so the same digest. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(sorted(manifest), undefined, 1)}\n`;
}

export function manifestDigest(manifest: Manifest): Digest {
  return `sha256:${createHash("sha256").update(manifestText(manifest)).digest("hex")}`;
}

/** Reads a manifest that anybody may have written. What is none is an `integrity` fault. */
export function readManifest(file: string, text: string): Manifest {
  try {
    const value: unknown = JSON.parse(text);
    Checked.parse(value);
    return value as Manifest;
  } catch (error) {
    throw new TbuildError("integrity", `${file}: is not a manifest`, {
      cause: error,
      lines: [error instanceof Error ? error.message.slice(0, 300) : String(error)],
    });
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
