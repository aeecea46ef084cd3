import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { portraitOf } from "../guest/describe-guest.ts";
import type { Passport } from "../guest/passport.ts";
import { Survey } from "../guest/survey.ts";
import type { Host } from "../host/host.ts";
import { readImageFile, requireFile } from "../image/file/image-file.ts";
import { openImageFile } from "../image/open.ts";
import type { GuestRecord } from "../model/manifest.ts";
import { type Resemblance, resemblances } from "../store/folder/resemblance.ts";
import type { StoreFolder } from "../store/folder/store-folder.ts";
import { type CatalogEntry, type ReadManifest, templatesOf } from "../store/records/catalog.ts";

/** A version that a disk may have come from, and the evidence. */
export interface Suspect {
  readonly entry: CatalogEntry;
  readonly why: string;
}

export interface Whose {
  readonly passport?: Passport;
  /** True if the next boot configures it; `undefined` if unknown. */
  readonly armed?: boolean;
  /** Usually one; several only if they cannot be distinguished. */
  readonly suspects: readonly Suspect[];
}

export interface WhoisOptions {
  /** Access to the disks of versions, for comparison. */
  readonly store: StoreFolder;
  readonly read: ReadManifest;
  /** The folder for a raw copy of an image that is neither raw nor qcow2. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly note?: (text: string) => void;
}

/**
 * Finds the version that a disk came from: by its passport, or by the data that still matches the version's
 * disk. If that disk is not here, by the ids of its file systems and the contents of /etc.
 */
export async function whois(
  host: Host,
  image: string,
  catalog: readonly CatalogEntry[],
  options: WhoisOptions,
): Promise<Whose> {
  await using raw = await readable(host, image, options);
  await using opened = await openImageFile(host, raw.path, {
    readOnly: true,
    ...(options.note && { note: options.note }),
  });
  const survey = new Survey(opened.tree, opened.volumes);
  const passport = await survey.passport();
  const named = passport ? byPassport(catalog, passport) : [];
  const armed = await survey.toArm().then(
    (missing) => missing.length === 0,
    () => undefined,
  );
  return {
    ...(passport && { passport }),
    ...(armed !== undefined && { armed }),
    suspects: named.length > 0 ? named : await byContent(templatesOf(catalog), survey, raw.path, options),
  };
}

function byPassport(catalog: readonly CatalogEntry[], passport: Passport): Suspect[] {
  const templates = templatesOf(catalog);
  const exact = templates.filter(({ manifest }) => passport.id !== "" && manifest.passport === passport.id);
  if (exact.length > 0) return exact.map((entry) => ({ entry, why: "its passport belongs to this version" }));
  return templates
    .filter(({ manifest }) => manifest.name === passport.name && manifest.version === passport.version)
    .map((entry) => ({
      entry,
      why:
        entry.manifest.recipe === passport.recipe
          ? "its passport names this version and its recipe"
          : "its passport names this version, but another recipe: it may be another build with this number",
    }));
}

async function byContent(
  templates: readonly CatalogEntry[],
  survey: Survey,
  file: string,
  { store, read, signal }: WhoisOptions,
): Promise<Suspect[]> {
  await using disk = await readImageFile(file);
  const disks = templates.flatMap(({ manifest }) => manifest.disks.slice(0, 1));
  const [likeliest, ...others] = await resemblances(store, disk, disks, signal);
  if (!likeliest) return byFiles(templates, survey, read);
  const { own, share } = likeliest;
  const equal = [likeliest, ...others].filter((one) => one.own === own && one.share === share);
  const found = equal.flatMap((one) =>
    templates
      .filter(({ manifest }) => manifest.disks[0]?.digest === one.digest)
      .map((entry) => ({ entry, why: resemblanceWords(one, others.length) })),
  );
  if (templates.every(({ here }) => here)) return found;
  // A version whose disk is elsewhere may match better than the similar versions here.
  return [...found, ...(await byFiles(templates, survey, read)).filter(({ entry }) => !entry.here)];
}

function resemblanceWords({ share, own, decided }: Resemblance, others: number): string {
  const left = `${percent(share)} of the version's data is still in place`;
  if (others === 0 || decided === 0) return left;
  return `${left}; of the blocks that distinguish similar versions, ${own} of ${decided} match this one`;
}

// A used disk keeps its file systems' ids. If several versions have them, /etc shows which version it was.
async function byFiles(
  templates: readonly CatalogEntry[],
  survey: Survey,
  read: ReadManifest,
): Promise<Suspect[]> {
  const uuids = new Set(survey.volumes.flatMap(({ uuid }) => uuid ?? []));
  const shares: { readonly entry: CatalogEntry; readonly share: number }[] = [];
  let seen: GuestRecord | undefined;
  for (const entry of templates) {
    const { guest } = await read(entry);
    if (!guest?.volumes.some(({ uuid }) => uuid !== undefined && uuids.has(uuid))) continue;
    seen ??= await portraitOf(survey, {});
    shares.push({ entry, share: shareOf(guest, seen) });
  }
  const most = Math.max(...shares.map(({ share }) => share));
  return shares
    .filter(({ share }) => share === most)
    .map(({ entry, share }) => ({
      entry,
      why: `its file systems have the same ids, and ${percent(share)} of the version's files in /etc are unchanged`,
    }));
}

function percent(share: number): string {
  return `${Math.floor(100 * share)} %`;
}

function shareOf(record: GuestRecord | undefined, seen: GuestRecord): number {
  const digests = new Map(seen.files.map(({ path, digest }) => [path, digest]));
  const files = record?.files.filter(({ digest }) => digest !== undefined) ?? [];
  const same = files.filter(({ path, digest }) => digests.get(path) === digest);
  return files.length === 0 ? 0 : same.length / files.length;
}

async function readable(
  host: Host,
  image: string,
  { folder, signal }: WhoisOptions,
): Promise<{ readonly path: string } & AsyncDisposable> {
  await requireFile(image);
  const asked = await host.run(["qemu-img", "info", "-U", "--output=json", image]).catch((cause) => {
    throw new TbuildError("usage", "is not a readable disk image", {
      subject: image,
      cause,
      hint: "Supported formats: raw (as in Oracle VM), qcow2, vmdk and vdi.",
    });
  });
  const { format } = JSON.parse(asked.stdout) as { format: string };
  if (format === "raw" || format === "qcow2") return { path: image, async [Symbol.asyncDispose]() {} };
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
