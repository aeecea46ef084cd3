import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { isThere } from "../../io/durable.ts";
import { printable } from "../../io/escape.ts";
import { checkMedium, type WantedMedium } from "../../media/check.ts";
import { discsIn } from "../../media/discs.ts";
import { type Medium, releaseOf } from "../../media/media.ts";
import { readMedium } from "../../media/medium.ts";
import { asDigest, type Digest } from "../../model/digest.ts";
import { discOf } from "../../recipe/discs.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import { makeRehearsalMedium } from "../../rehearsal/medium.ts";
import type { Step } from "../step.ts";

/** The sources that a guest is made from, besides the recipe. */
export interface Sources {
  /** Absent for a guest that was not installed here. */
  readonly mediumDigest?: Digest;
  /** The manifest of the template that it started from. */
  readonly base?: Digest;
  /** Folders with repodata that replace repositories, by id. Empty for Oracle's discs. */
  readonly standIns: Readonly<Record<string, string>>;
  readonly standInsDigest: string;
}

export interface FetchedMedium extends Sources {
  readonly medium: Medium;
  readonly mediumDigest: Digest;
}

/** Finds the recipe's ISO, and verifies it. */
export function fetchIso(recipe: Recipe, isoFolder: string): Step<object, FetchedMedium> {
  const disc = discOf(recipe);
  const file = join(isoFolder, disc.file);
  return {
    name: "fetch-medium",
    module: import.meta.url,
    describe: () => `check ${disc.file}`,
    inputs: () => ({
      iso: disc.sha256 ?? "with a digest that is not in the recipe",
      disc: JSON.stringify(wantedMedium(recipe)),
    }),
    ...(disc.sha256 === undefined && { unshared: "the recipe has no digest of its disc (iso.sha256)" }),
    outdated: async (_context, { medium }) =>
      (await isThere(medium.file)) ? undefined : "its disc no longer exists",
    async run(context) {
      await proveDisc(recipe, isoFolder);
      const medium = await readMedium(file);
      const progress = (done: number, total: number) =>
        context.progress("reading the ISO for its digest", done, total);
      const sha256 = await checkMedium(medium, wantedMedium(recipe), {
        cacheFile: join(context.home.memory, "iso-digests.json"),
        progress,
        signal: context.signal,
      });
      return { medium, mediumDigest: asDigest(sha256), standIns: {}, standInsDigest: "none" };
    },
  };
}

/** Throws if a recipe's disc is missing. Does not read it. */
export async function proveDisc(recipe: Recipe, isoFolder: string): Promise<void> {
  const file = join(isoFolder, discOf(recipe).file);
  if (!(await isThere(file))) throw await missingIso(recipe, isoFolder);
}

/** Makes the stand-in medium, or uses the existing one. */
export function makeMedium(recipe: Recipe, builder: string): Step<object, FetchedMedium> {
  const major = majorOf(recipe.release);
  if (major !== 6 && major !== 7)
    throw new TbuildError("usage", `there is no rehearsal medium for ${recipe.release}`, {
      subject: recipe.name,
      hint: "Available: ol6 and ol7. Omit --rehearse to build from Oracle's disc.",
    });
  return {
    name: "fetch-medium",
    module: import.meta.url,
    describe: () => `make the rehearsal medium for OL${major}.${recipe.update}`,
    inputs: () => ({ "rehearsal medium": builder, release: `${recipe.release}.${recipe.update}` }),
    outdated: async (_context, { medium }) =>
      (await isThere(medium.file)) ? undefined : "its disc no longer exists",
    async run(context) {
      const { progress, signal } = context;
      const made = await makeRehearsalMedium(
        context.host,
        { major, update: recipe.update },
        { cache: context.home.media, signal, progress },
      );
      const medium = await readMedium(made.iso);
      return {
        medium,
        mediumDigest: made.digest,
        standIns: made.repositories,
        standInsDigest: made.repositoriesDigest,
      };
    },
  };
}

/** The disc for a recipe. */
export function wantedMedium(recipe: Recipe): WantedMedium {
  const { file: _file, ...known } = discOf(recipe);
  return { major: majorOf(recipe.release), update: recipe.update, ...known };
}

/** An error that names the needed disc and the discs that were found. */
export async function missingIso(recipe: Recipe, isoFolder: string): Promise<TbuildError> {
  const wanted = discOf(recipe);
  const there = (await discsIn(isoFolder)).map((disc) => {
    if (!("medium" in disc)) return disc.fault;
    const { volumeId } = disc.medium;
    const same = volumeId === wanted.volumeId ? ": the right disc under another name" : "";
    return `${disc.file}: is ${releaseOf(disc.medium)} (volume id ${printable(volumeId)})${same}`;
  });
  return new TbuildError("environment", `not in ${isoFolder}`, {
    subject: wanted.file,
    hint: `Put the disc there${[6, 7].includes(majorOf(recipe.release)) ? ", or add --rehearse to build on a stand-in made from Debian's packages" : ""}.`,
    lines: [
      `The recipe is built from ${wanted.file}`,
      `  volume id ${wanted.volumeId ?? "not on record"}`,
      `  sha256    ${wanted.sha256 ?? "unknown; set iso.sha256"}`,
      ...there,
      "Oracle offers it at https://edelivery.oracle.com/linux and https://yum.oracle.com/oracle-linux-isos.html",
    ],
  });
}
