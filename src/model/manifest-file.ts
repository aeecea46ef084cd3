import { createHash } from "node:crypto";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import type { Digest, Manifest } from "../store/store.ts";

export const Name = z.string().regex(/^[a-z][a-z0-9-]*$/);
export const Version = z.string().regex(/^\d+\.\d+\.\d+$/);
export const DigestText = z.string().regex(/^sha256:[0-9a-f]{64}$/);

const Text = z.string();
const Count = z.number();
const Package = z.looseObject({
  name: Text,
  epoch: Count,
  version: Text,
  release: Text,
  arch: Text,
  signature: Text.optional(),
  license: Text.optional(),
  repository: Text.optional(),
});
const Guest = z.looseObject({
  kernels: z.array(Text),
  services: z.array(Text),
  users: z.array(z.looseObject({ name: Text, uid: Count, gid: Count, home: Text, shell: Text })),
  groups: z.array(z.looseObject({ name: Text, gid: Count, members: z.array(Text) })),
  modules: z.array(z.looseObject({ name: Text, digest: DigestText })),
  files: z.array(
    z.looseObject({
      path: Text,
      kind: z.enum(["file", "dir", "link", "other"]),
      mode: Text,
      owner: Text,
      digest: DigestText.optional(),
      target: Text.optional(),
      package: Text.optional(),
      text: Text.optional(),
    }),
  ),
  volumes: z.array(z.looseObject({ name: Text, fs: Text, uuid: Text.optional() })),
});

// What becomes a path or an address is narrow; of the rest, the shape is checked, so that commands can speak of it.
const Checked = z.looseObject({
  schema: z.literal(1),
  kind: z.enum(["master", "template"]),
  name: Name,
  version: Version,
  made: z.iso.datetime(),
  summary: Text,
  rehearsal: z.boolean(),
  release: z.looseObject({ name: Text, major: Count, update: Count }),
  domainType: z.enum(["XEN_HVM", "XEN_HVM_PV_DRIVERS", "XEN_PVM"]),
  machine: z.looseObject({ vcpus: Count, memoryMib: Count, nics: z.array(Text) }),
  disks: z.array(
    z.looseObject({
      name: z.string().regex(/^[\w-]+$/),
      digest: DigestText,
      bytes: z.int().min(0),
      dataBytes: z.int().min(0),
      chunks: z.int().min(0).exactOptional(),
    }),
  ),
  kernel: Text,
  recipe: DigestText,
  recipeText: Text,
  git: z.looseObject({ commit: Text, dirty: z.boolean() }).optional(),
  inputs: z.record(Text, DigestText),
  parent: DigestText.optional(),
  packages: z.array(Package),
  contract: z.array(
    z.looseObject({
      key: Text,
      description: Text,
      module: Text,
      required: z.boolean(),
      hidden: z.boolean(),
      password: z.boolean(),
    }),
  ),
  operations: z.array(z.looseObject({ name: Text, done: z.array(Text) })),
  trial: z.array(Text),
  bundles: z.array(
    z.looseObject({ format: Text, file: z.string().regex(/^[\w.+-]+$/), digest: DigestText, bytes: Count }),
  ),
  timings: z.record(Text, Count),
  tbuild: Text,
  makers: z.record(Text, Text).optional(),
  build: Text.optional(),
  passport: Text.optional(),
  hosts: z.record(Text, Text).optional(),
  guest: Guest.optional(),
  seal: z
    .looseObject({
      how: z.enum(["offline", "online"]),
      skipped: z.array(Text),
      kept: z.array(Text),
      armed: z.boolean(),
      audited: z.array(Text),
    })
    .optional(),
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
