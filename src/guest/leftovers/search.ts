import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { checkInterrupted } from "../../errors.ts";
import { isZero } from "../../image/change/draft.ts";
import { swapAreaIn } from "../../image/disk/swap.ts";
import type { GuestTree, Stat } from "../../image/tree.ts";
import type { PackageFile } from "../rpm/files.ts";
import { type Inside, type SearchedInside, searchInside } from "./packed.ts";
import { readableForms } from "./readable-forms.ts";
import { secretIn, secretNamed } from "./secret-shapes.ts";
import { soleIdIn, tellingKeyIn } from "./telling-keys.ts";
import { hasTrait, type Trait } from "./traits.ts";

/** Something that no operation removes, and that reveals the build or grants access. */
export interface Leftover {
  readonly path: string;
  /** "this host's name", "a private key". */
  readonly what: string;
  /** The class of the report that it belongs to; most belong to all other files. */
  readonly of?: string;
}

export interface Searched {
  readonly found: readonly Leftover[];
  readonly files: number;
  readonly bytes: number;
  /** Files that were too large to read. */
  readonly tooLarge: readonly string[];
  /** Archives and compressed files that could not be unpacked here. */
  readonly packed: readonly string[];
}

export interface SearchOptions {
  readonly traits: readonly Trait[];
  /** The files of the guest's packages; `undefined` if it has no package database. */
  readonly packaged: ReadonlyMap<string, PackageFile> | undefined;
  /** Paths that are not searched, including everything below them. */
  readonly except: readonly string[];
  /** File system ids, which clones share on purpose; in lower case, without hyphens. */
  readonly volumes: ReadonlySet<string>;
  /** Files whose contents are searched elsewhere. Their names are searched here. */
  readonly unpacked?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
}

// Disk images and databases are not configuration, and every file is read completely.
const mostBytes = 16 * 1024 * 1024;

// glibc-common generates it (build-locale-archive), so it is not a file of the package.
const localeArchive = "/usr/lib/locale/locale-archive";

// They are not on the disk, or are rpm's own database.
const notLookedInto = new Set(["/proc", "/sys", "/dev", "/run", "/var/lib/rpm", "/usr/lib/sysimage/rpm"]);

/**
 * Searches every file that differs from its package, or has none, for traits of this guest and for secrets:
 * in its contents, its name, and the target of a link. A file with the same size as in its package counts as
 * unchanged, unless it is a configuration file.
 */
export async function searchGuest(tree: GuestTree, options: SearchOptions): Promise<Searched> {
  const { traits, packaged, signal } = options;
  const except = new Set([...notLookedInto, ...options.except]);
  const inName = namesIn(traits);
  const found: Leftover[] = [];
  const tooLarge: string[] = [];
  const packed: string[] = [];
  let [files, bytes] = [0, 0];
  const folders = ["/"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    checkInterrupted(signal);
    await setImmediate();
    for (const name of await tree.list(folder)) {
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`;
      if (except.has(path)) continue;
      const stat = await tree.stat(path);
      if (!stat) continue;
      if (stat.kind === "dir") folders.push(path);
      const owner = packaged?.get(path);
      if (owner === undefined) {
        const named = inName(name) ?? (stat.target === undefined ? undefined : inName(stat.target));
        if (named !== undefined) {
          found.push({ path, what: `${named.what} in ${stat.kind === "link" ? "a link" : "a name"}` });
          continue;
        }
      }
      if (stat.kind !== "file" || stat.size === 0 || isAsItCame(owner, stat)) continue;
      if (options.unpacked?.has(path)) continue;
      if (stat.size > mostBytes) {
        if (path !== localeArchive) tooLarge.push(path);
        continue;
      }
      const data = await readSafely(tree, path);
      files++;
      bytes += data.length;
      const inside = await searchFile(path, data, options, inName);
      if ((inside.what === undefined && inside.notUnpacked.length === 0) || isAsPackaged(owner, data))
        continue;
      if (inside.what !== undefined) found.push({ path, what: inside.what });
      packed.push(...inside.notUnpacked.map((one) => (one === undefined ? path : `${path}/${one}`)));
    }
  }
  return {
    found: found.sort((one, other) => (one.path < other.path ? -1 : 1)),
    files,
    bytes,
    tooLarge: tooLarge.sort(),
    packed: packed.sort(),
  };
}

/** Whether a file has the same contents as in its package. */
export function isAsPackaged(owner: PackageFile | undefined, data: Buffer): boolean {
  return owner !== undefined && owner.bytes === data.length && digestOf(data, owner.digest) === owner.digest;
}

/** The trace of the build, its people or its secrets in a file; `undefined` for most. */
export function whatIn(
  path: string,
  data: Buffer,
  { traits, volumes, packaged }: SearchOptions,
): string | undefined {
  const text = data.toString("latin1");
  const forms = readableForms(text);
  const trait = traitIn(text, traits) ?? traitIn(forms, traits);
  if (trait !== undefined) return trait.what;
  if (isProgramsOwn(path, packaged !== undefined)) return undefined;
  return (
    memoryIn(data) ??
    secretIn(data, text, forms) ??
    (/^\/etc\/(?:pam\.d|kernel)\//.test(path)
      ? undefined
      : secretNamed(path.slice(path.lastIndexOf("/") + 1), text)) ??
    soleIdIn(path, text) ??
    tellingKeyIn(path, text, volumes)
  );
}

// A swap file that the guest uses is searched as swap, and made new.
function memoryIn(data: Buffer): string | undefined {
  const area = swapAreaIn(data.subarray(0, mostSwapPage));
  const holdsMemory = area !== undefined && (area.isHibernated || !isZero(data.subarray(area.pageBytes)));
  return holdsMemory ? "memory of an unused swap file" : undefined;
}

const mostSwapPage = 65536;

function traitIn(text: string, traits: readonly Trait[]): Trait | undefined {
  const small = text.toLowerCase();
  return traits.find((trait) => hasTrait(small, trait));
}

/** Finds a trait in a name. One test is enough for most names. */
function namesIn(traits: readonly Trait[]): (name: string) => Trait | undefined {
  const texts = traits.map(({ text }) => text.replaceAll(/[^\w]/g, "\\$&"));
  const mayHold = texts.length === 0 ? /(?!)/ : new RegExp(texts.join("|"), "i");
  return (name) => (mayHold.test(name) ? traitIn(name, traits) : undefined);
}

/** Searches a file, and what is packed in it. */
export function searchFile(
  path: string,
  data: Buffer,
  options: SearchOptions,
  inName: (name: string) => Trait | undefined = namesIn(options.traits),
): Promise<SearchedInside> {
  return searchInside(path, data, (inside) => whatInside(path, inside, options, inName));
}

function whatInside(
  path: string,
  { name, data, installedAs }: Inside,
  options: SearchOptions,
  inName: (name: string) => Trait | undefined,
): string | undefined {
  const named = name === undefined ? undefined : inName(name);
  if (named !== undefined) return `${named.what} in the name of its member ${name}`;
  if (data.length === 0) return undefined;
  const what =
    installedAs === undefined
      ? whatIn(name === undefined ? path : `${path}/${name}`, data, options)
      : whatInPackage(installedAs, data, options.traits);
  return what === undefined || name === undefined ? what : `${what} in its member ${name}`;
}

// If it were installed, its settings would be as in their package.
function whatInPackage(installedAs: string, data: Buffer, traits: readonly Trait[]): string | undefined {
  const text = data.toString("latin1");
  const forms = readableForms(text);
  const trait = traitIn(text, traits) ?? traitIn(forms, traits);
  return trait?.what ?? (isProgramsOwn(`/${installedAs}`, false) ? undefined : secretIn(data, text, forms));
}

// Libraries contain keys for their own tests, even if pip, gem, npm or Maven installed them. Without a
// package database, the system's own libraries cannot be distinguished from other files.
function isProgramsOwn(path: string, hasPackages: boolean): boolean {
  return (
    (!hasPackages && /^\/(?:usr|lib|lib64)\/(?!local\/)/.test(path)) ||
    /\/(?:site-packages|dist-packages|node_modules|gems)\/|\.(?:jar|whl|egg)(?:\/|$)/.test(path)
  );
}

function isAsItCame(owner: PackageFile | undefined, stat: Stat): boolean {
  return owner !== undefined && !owner.isConfig && owner.bytes === stat.size;
}

function digestOf(data: Buffer, like: string): string {
  return createHash(like.length === 32 ? "md5" : "sha256")
    .update(data)
    .digest("hex");
}

async function readSafely(tree: GuestTree, path: string): Promise<Buffer> {
  const data = (await tree.read(path)) ?? new Uint8Array();
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
