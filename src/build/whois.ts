import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { type Passport, readPassport } from "../guest/passport.ts";
import { portraitOf } from "../guest/portrait.ts";
import { isArmed } from "../guest/seal/first-boot.ts";
import type { Host } from "../host/host.ts";
import type { Volume } from "../image/access.ts";
import { mountsOf } from "../image/disk.ts";
import { chooseAccess } from "../image/index.ts";
import type { GuestTree } from "../image/tree.ts";
import { type CatalogEntry, templatesOf } from "../store/catalog.ts";
import type { GuestRecord } from "../store/store.ts";

/** A version that a disk may have come from, and what speaks for it. */
export interface Suspect {
  readonly entry: CatalogEntry;
  readonly why: string;
}

export interface Whose {
  readonly passport?: Passport;
  /** The next boot configures it; `undefined` when it is not to be told. */
  readonly armed?: boolean;
  /** The likeliest first; one, when its passport names it. */
  readonly suspects: readonly Suspect[];
}

export interface WhoisOptions {
  /** A folder for a raw copy, where an image is something else. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Finds the version that a disk came from: by its passport, else by its file systems and what lies in /etc. */
export async function whois(
  host: Host,
  image: string,
  catalog: readonly CatalogEntry[],
  options: WhoisOptions,
): Promise<Whose> {
  await using raw = await rawOf(host, image, options);
  const mounts = await mountsOf(raw.path);
  const volumes = mounts.map((mount) => mount.volume);
  const access = await chooseAccess(host, volumes);
  await using tree = await access.open(raw.path, mounts, { readOnly: true });
  const passport = await readPassport(tree);
  const named = passport ? byPassport(catalog, passport) : [];
  const armed = await isArmed(tree).catch(() => undefined);
  return {
    ...(passport && { passport }),
    ...(armed !== undefined && { armed }),
    suspects: named.length > 0 ? named : await byContent(catalog, tree, volumes),
  };
}

function byPassport(catalog: readonly CatalogEntry[], passport: Passport): Suspect[] {
  const templates = templatesOf(catalog);
  const exact = templates.filter(({ manifest }) => passport.id !== "" && manifest.passport === passport.id);
  if (exact.length > 0) return exact.map((entry) => ({ entry, why: "its passport is this version's own" }));
  return templates
    .filter(({ manifest }) => manifest.name === passport.name && manifest.version === passport.version)
    .map((entry) => ({
      entry,
      why:
        entry.manifest.recipe === passport.recipe
          ? "its passport names this version and its recipe"
          : "its passport names this version, but another recipe: it may be another build of that number",
    }));
}

// A disk that ran keeps its file systems' ids; which of several versions it was, most of /etc still tells.
async function byContent(
  catalog: readonly CatalogEntry[],
  tree: GuestTree,
  volumes: readonly Volume[],
): Promise<Suspect[]> {
  const uuids = new Set(volumes.flatMap(({ uuid }) => uuid ?? []));
  const related = templatesOf(catalog).filter(({ manifest }) =>
    manifest.guest?.volumes.some(({ uuid }) => uuid !== undefined && uuids.has(uuid)),
  );
  if (related.length === 0) return [];
  const seen = await portraitOf(tree, volumes, {});
  return related
    .map((entry) => ({ entry, share: shareOf(entry.manifest.guest, seen) }))
    .sort((a, b) => b.share - a.share)
    .map(({ entry, share }) => ({
      entry,
      why: `its file systems have the same ids, and ${Math.floor(100 * share)} % of the version's files in /etc are as they were`,
    }));
}

function shareOf(record: GuestRecord | undefined, seen: GuestRecord): number {
  const digests = new Map(seen.files.map(({ path, digest }) => [path, digest]));
  const files = record?.files.filter(({ digest }) => digest !== undefined) ?? [];
  const same = files.filter(({ path, digest }) => digests.get(path) === digest);
  return files.length === 0 ? 0 : same.length / files.length;
}

async function rawOf(
  host: Host,
  image: string,
  { folder, signal }: WhoisOptions,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const asked = await host.run(["qemu-img", "info", "-U", "--output=json", image]).catch((cause) => {
    throw new TbuildError("usage", `${image}: is no disk image that can be read`, {
      cause,
      hint: "Name a disk: raw (as Oracle VM keeps them), qcow2, vmdk or vdi.",
    });
  });
  const { format } = JSON.parse(asked.stdout) as { format: string };
  if (format === "raw") return { path: image, async [Symbol.asyncDispose]() {} };
  const path = join(folder, `whois-${process.pid}.img`);
  const remove = () => rm(path, { force: true });
  try {
    await host.run(["mkdir", "-p", folder]);
    await host.run(["qemu-img", "convert", "-U", "-f", format, "-O", "raw", image, path], { signal });
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: remove };
}
