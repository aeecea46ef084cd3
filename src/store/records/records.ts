import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { namesIn, textOf } from "../../io/durable.ts";
import { type Digest, digestOf } from "../../model/digest.ts";
import type { Manifest, ManifestLine } from "../../model/manifest.ts";
import { lineOf, manifestDigest, manifestText, Name, readManifest } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import { linesIn, type Which } from "../manifest-lines.ts";
import { type Channel, type ChannelName, type Pointer, pointersIn } from "./pointers.ts";
import { isConflict, recordFiles, unreadable } from "./record-files.ts";
import { type Revocation, revocationsIn } from "./revocations.ts";
import { type Signature, signText } from "./signature.ts";
import { signaturesIn } from "./signatures.ts";

/** A recipe repo's records of its templates. People commit them, so they are made to be merged. */
export interface Records {
  readonly folder: string;
  /** Throws like `put` if this version exists with other content, before anything is published. */
  check(manifest: Manifest): Promise<void>;
  /**
   * Records a manifest, signed if a key is set. A manifest from elsewhere keeps the signature that came with
   * it, or has none (`false`). Different content under the same version is an `integrity` fault.
   */
  put(manifest: Manifest, signature?: string | false): Promise<string>;
  has(which: Pick<Manifest, "kind" | "name" | "version">): Promise<boolean>;
  list(): Promise<Manifest[]>;
  /** The list lines of manifests, by digest, of one name or of all. `known` lines are not read again. */
  lines(known?: ReadonlyMap<Digest, ManifestLine>, which?: Which): Promise<ReadonlyMap<Digest, ManifestLine>>;
  /** The recorded versions of a name, newest last; empty for an invalid name. */
  versions(kind: Manifest["kind"], name: string): Promise<string[]>;
  find(which: Pick<Manifest, "kind" | "name" | "version">): Promise<Manifest | undefined>;
  /** Checks the signature in the repo, or the given one. */
  signature(manifest: Manifest, given?: string): Promise<Signature>;
  /** The signature in the repo; `undefined` if the record is unsigned. */
  signatureText(manifest: Manifest): Promise<string | undefined>;
  channel(name: string, channel: ChannelName): Promise<Channel | undefined>;
  /** Points a channel at another version; `undefined` removes it. */
  setChannel(name: string, channel: ChannelName, to: Channel | undefined): Promise<void>;
  tags(name: string): Promise<Readonly<Record<string, Pointer>>>;
  setTag(name: string, tag: string, to: Pointer): Promise<void>;
  revocation(name: string, version: string): Promise<Revocation | undefined>;
  /** All revocations by version, including withdrawn ones. */
  revocations(name: string): Promise<ReadonlyMap<string, Revocation>>;
  /** `undefined` withdraws it. */
  revoke(name: string, version: string, revocation: Revocation | undefined): Promise<void>;
  /** Signs a statement for a registry; `undefined` if no key is set. */
  signStatement(text: string): Promise<string | undefined>;
  statementSignature(text: string, signature: string | undefined): Promise<Signature>;
  /** Signs an entry of a cache; `undefined` if no key is set. */
  signEntry(text: string): Promise<string | undefined>;
  entrySignature(text: string, signature: string | undefined): Promise<Signature>;
  /** True if there is an `allowed_signers` file. */
  hasSigners(): Promise<boolean>;
}

/**
 * The records in the folder of a recipe repo:
 *
 *     templates/<name>/<version>.json           a manifest, and beside it .json.sig and .revoked.json
 *     templates/<name>/channels/<channel>.json
 *     templates/<name>/tags/<tag>.json
 *     masters/<name>/<version>.json
 *
 * Each statement has its own file. People who say different things never touch the same file, so git merges their work;
 * if they contradict each other, git reports a conflict in that file, as it should. List lines are cached in the folder
 * `cache`.
 */
export function recordsIn(host: Runner, folder: string, signingKey?: string, cache?: string): Records {
  const files = recordFiles(folder);
  const { fileOf } = files;

  return {
    folder,
    ...pointersIn(files),
    ...revocationsIn(files),
    ...signaturesIn(host, files, signingKey),

    async check(manifest) {
      const text = manifestText(manifest);
      const file = fileOf(readManifest(`${manifest.name}@${manifest.version}`, text));
      const there = await textOf(file);
      if (there !== undefined && there !== text)
        throw new TbuildError(
          "integrity",
          `already records a different ${manifest.name}@${manifest.version}`,
          {
            subject: file,
            hint: "Someone else published this version. Raise the version in the recipe and build again.",
          },
        );
    },

    async put(manifest, signature) {
      await this.check(manifest);
      const text = manifestText(manifest);
      const file = fileOf(manifest);
      if (!(await this.has(manifest))) await replaceFile(file, text);
      const signed = signature ?? (signingKey && (await signText(host, signingKey, text)));
      if (signed && (await textOf(`${file}.sig`)) === undefined) await replaceFile(`${file}.sig`, signed);
      return file;
    },

    has: async (which) => (await stat(fileOf(which)).catch(() => undefined)) !== undefined,

    async list() {
      const found: Manifest[] = [];
      for (const kind of ["masters", "templates"])
        for (const name of await namesIn(join(folder, kind)))
          for (const file of await namesIn(join(folder, kind, name))) {
            if (!isRecord.test(file)) continue;
            const path = join(folder, kind, name, file);
            found.push(readRecord(path, await readFile(path, "utf8")));
          }
      return found;
    },

    lines: (known, which) =>
      linesIn(
        folder,
        {
          isManifest: isRecord,
          cache,
          async read(file, text) {
            const digest = digestOf(text);
            const line = known?.get(digest);
            if (line) return { digest, line };
            const manifest = readRecord(file, text);
            return { digest: manifestDigest(manifest), line: lineOf(manifest) };
          },
        },
        which,
      ),

    async versions(kind, name) {
      if (!Name.safeParse(name).success) return [];
      return (await namesIn(join(folder, `${kind}s`, name)))
        .filter((file) => isRecord.test(file))
        .map((file) => file.slice(0, -".json".length))
        .sort(compareVersions);
    },

    async find(which) {
      const file = fileOf(which);
      const text = await textOf(file);
      return text === undefined ? undefined : readRecord(file, text);
    },
  };
}

const isRecord = /^\d+\.\d+\.\d+\.json$/;

function readRecord(file: string, text: string): Manifest {
  if (isConflict(text)) throw unreadable(file, text);
  return readManifest(file, text);
}
