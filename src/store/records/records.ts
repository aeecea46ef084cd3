import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { namesIn, textOf } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import { makeFolders } from "../../io/folders.ts";
import { type Digest, DigestText, digestOf } from "../../model/digest.ts";
import type { Manifest, ManifestLine } from "../../model/manifest.ts";
import { lineOf, manifestDigest, manifestText, Name, readManifest, Version } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import { linesIn, type Which } from "../manifest-lines.ts";
import { type Signature, signatureOf, signText, statements } from "./signature.ts";

/** A name that points at a version: a channel moves, a tag does not. */
export interface Pointer {
  readonly version: string;
  readonly digest: Digest;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly why?: string;
}

export interface Channel extends Pointer {
  /** Its earlier targets, newest last. A rollback goes back through them. */
  readonly before: readonly Pointer[];
}

export interface Revocation {
  readonly reason: string;
  readonly since: string;
  /** When the revocation was withdrawn. The record stays, so that an older copy elsewhere does not bring it back. */
  readonly lifted?: string;
}

/** `candidate` is for testing, `stable` for use. */
export const channelNames = ["candidate", "stable"] as const;
export type ChannelName = (typeof channelNames)[number];

/** A recipe repo's records of its templates. People commit them, so they are made to be merged. */
export interface Records {
  readonly folder: string;
  /** Throws what `put` would throw, before anything is published: this version exists with other content. */
  check(manifest: Manifest): Promise<void>;
  /**
   * Records a manifest, signed if a key is set. A manifest from elsewhere keeps the signature that came with it, or has
   * none (`false`). Other content under the same version is an `integrity` fault.
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
  const fileOf = ({ kind, name, version }: Pick<Manifest, "kind" | "name" | "version">) =>
    join(folder, `${kind}s`, name, `${version}.json`);
  const inTemplate = (name: string, ...rest: string[]) =>
    join(folder, "templates", checked(Name, name, "template"), ...rest);
  const channelFile = (name: string, channel: ChannelName) => inTemplate(name, "channels", `${channel}.json`);
  const revokedFile = (name: string, version: string) =>
    inTemplate(name, `${checked(Version, version, "version")}.revoked.json`);

  return {
    folder,

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
      if (!(await this.has(manifest))) await writeWhole(file, text);
      const signed = signature ?? (signingKey && (await signText(host, signingKey, text)));
      if (signed && (await textOf(`${file}.sig`)) === undefined) await writeWhole(`${file}.sig`, signed);
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

    async signature(manifest, given) {
      const signature = given ?? (await this.signatureText(manifest));
      if (signature === undefined) return { state: "unsigned" };
      return signatureOf(host, manifestText(manifest), signature, join(folder, "allowed_signers"));
    },

    signatureText: (manifest) => textOf(`${fileOf(manifest)}.sig`),

    channel: (name, channel) => readJson(channelFile(name, channel), ChannelFile),

    async setChannel(name, channel, to) {
      if (to) await writeWhole(channelFile(name, channel), json(to));
      else await rm(channelFile(name, channel), { force: true });
    },

    async tags(name) {
      const tags: Record<string, Pointer> = {};
      for (const file of await namesIn(inTemplate(name, "tags"))) {
        const pointer = await readJson(inTemplate(name, "tags", file), PointerFile);
        if (pointer) tags[file.replace(/\.json$/, "")] = pointer;
      }
      return tags;
    },

    async setTag(name, tag, to) {
      const file = inTemplate(name, "tags", `${tag}.json`);
      const there = await readJson(file, PointerFile);
      if (there && there.digest !== to.digest)
        throw new TbuildError(
          "usage",
          `the tag ${tag} belongs to ${there.version}, and tags cannot be moved`,
          {
            subject: name,
            hint: "Choose another name, or use a channel, which can be moved: `tbuild template promote`.",
          },
        );
      if (!there) await writeWhole(file, json(to));
    },

    async revocation(name, version) {
      const found = await readJson(revokedFile(name, version), RevocationFile);
      return found?.lifted === undefined ? found : undefined;
    },

    async revocations(name) {
      const found = new Map<string, Revocation>();
      for (const file of await namesIn(inTemplate(name))) {
        const version = /^(\d+\.\d+\.\d+)\.revoked\.json$/.exec(file)?.[1];
        const one = version && (await readJson(revokedFile(name, version), RevocationFile));
        if (version && one) found.set(version, one);
      }
      return found;
    },

    async revoke(name, version, revocation) {
      const file = revokedFile(name, version);
      if (revocation) return writeWhole(file, json(revocation));
      const there = await readJson(file, RevocationFile);
      if (there && there.lifted === undefined)
        await writeWhole(file, json({ ...there, lifted: new Date().toISOString() }));
    },

    async signStatement(text) {
      return signingKey === undefined ? undefined : signText(host, signingKey, text, statements);
    },

    async statementSignature(text, signature) {
      if (signature === undefined) return { state: "unsigned" };
      return signatureOf(host, text, signature, join(folder, "allowed_signers"), statements);
    },

    hasSigners: async () => (await textOf(join(folder, "allowed_signers"))) !== undefined,
  };
}

/** A channel or tag that now points at this manifest. */
export function pointerTo(manifest: Manifest, why?: string): Pointer {
  return {
    version: manifest.version,
    digest: manifestDigest(manifest),
    since: new Date().toISOString(),
    ...(why !== undefined && { why }),
  };
}

const PointerFile = z.object({
  version: Version,
  digest: DigestText,
  since: z.iso.datetime(),
  why: z.string().exactOptional(),
});
const ChannelFile = PointerFile.extend({ before: z.array(PointerFile) });
const RevocationFile = z.object({
  reason: z.string(),
  since: z.iso.datetime(),
  lifted: z.iso.datetime().exactOptional(),
});

async function readJson<T>(file: string, shape: z.ZodType<T>): Promise<T | undefined> {
  const text = await textOf(file);
  if (text === undefined) return undefined;
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    throw unreadable(file, text, cause);
  }
}

// Whatever becomes part of a path is restricted.
function checked(shape: z.ZodType<string>, value: string, what: string): string {
  if (shape.safeParse(value).success) return value;
  throw new TbuildError("usage", `is not a valid ${what} name`, { subject: value });
}

const isRecord = /^\d+\.\d+\.\d+\.json$/;

function readRecord(file: string, text: string): Manifest {
  if (isConflict(text)) throw unreadable(file, text);
  return readManifest(file, text);
}

function isConflict(text: string): boolean {
  return /^<{7} /m.test(text);
}

function unreadable(file: string, text: string, cause?: unknown): TbuildError {
  return new TbuildError("integrity", "has invalid content", {
    subject: file,
    cause,
    hint: isConflict(text)
      ? "It contains a git merge conflict. Keep one of the two sides."
      : "`git log -p` on this file shows what happened to it.",
  });
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 1)}\n`;
}

/** Writes a file atomically. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.part`;
  const fault = (error: unknown) => {
    throw fileFault(error, file);
  };
  await makeFolders(dirname(file)).catch(fault);
  const handle = await open(temporary, "w").catch(fault);
  try {
    await handle.writeFile(text);
    await handle.sync();
    await handle.close();
    await rename(temporary, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(temporary, { force: true });
    throw fileFault(error, file);
  }
}
