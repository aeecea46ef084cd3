import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { checkMedium } from "../../media/check.ts";
import type { Medium } from "../../media/media.ts";
import { readMedium } from "../../media/medium.ts";
import { type Disc, discOf } from "../../recipe/discs.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import { makeRehearsalMedium } from "../../rehearsal/medium.ts";
import type { Digest } from "../../store/store.ts";
import type { Step } from "../step.ts";

export interface FetchedMedium {
  readonly medium: Medium;
  readonly mediumDigest: Digest;
  /** Folders with repodata that stand in for repositories, by id. Empty with a medium from Oracle. */
  readonly standIns: Readonly<Record<string, string>>;
  readonly standInsDigest: string;
}

/** Finds the ISO that the recipe names, and proves that it is the one. */
export function fetchIso(recipe: Recipe, isoFolder: string): Step<object, FetchedMedium> {
  const disc = discOf(recipe);
  const file = join(isoFolder, disc.file);
  return {
    name: "fetch-medium",
    describe: () => `check ${disc.file}`,
    inputs: () => ({ iso: disc.sha256 ?? "of a digest that the recipe does not know" }),
    valid: async (_context, gives) => (await stat(gives.medium.file).catch(() => undefined)) !== undefined,
    async run(context) {
      if (!(await stat(file).catch(() => undefined))) throw missingIso(disc, isoFolder);
      const medium = await readMedium(file);
      const progress = (done: number, total: number) =>
        context.progress("reading the ISO for its digest", done, total);
      const sha256 = await proved(disc, medium, recipe, {
        cacheFile: join(context.home.memory, "iso-digests.json"),
        progress,
        signal: context.signal,
      });
      return { medium, mediumDigest: `sha256:${sha256}`, standIns: {}, standInsDigest: "none" };
    },
  };
}

/** Makes the stand-in medium, or takes the one that was made. */
export function makeMedium(recipe: Recipe, builder: string): Step<object, FetchedMedium> {
  const major = majorOf(recipe.release);
  return {
    name: "fetch-medium",
    describe: () => `make the rehearsal medium for OL${major}.${recipe.update}`,
    inputs: () => ({ "rehearsal medium": builder, release: `${recipe.release}.${recipe.update}` }),
    valid: async (_context, gives) => (await stat(gives.medium.file).catch(() => undefined)) !== undefined,
    async run(context) {
      if (major !== 6 && major !== 7)
        throw new TbuildError("usage", `${recipe.name}: no rehearsal medium for ${recipe.release}`, {
          hint: "There is one for ol6 and one for ol7.",
        });
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

/** The digest of the disc, once it is proved to be the one. */
async function proved(
  disc: Disc,
  medium: Medium,
  recipe: Recipe,
  options: Parameters<typeof checkMedium>[2],
): Promise<string> {
  const wanted = {
    major: majorOf(recipe.release),
    update: recipe.update,
    volumeId: disc.volumeId ?? medium.volumeId,
    sha256: disc.sha256 ?? "none",
  };
  const comparable =
    medium.major === wanted.major && medium.update === wanted.update && disc.bytes !== undefined;
  if (comparable && medium.bytes !== disc.bytes)
    throw new TbuildError("integrity", `${medium.file}: is not the disc that Oracle published`, {
      lines: [`its volume has    ${medium.bytes} bytes`, `Oracle's disc has ${disc.bytes} bytes`],
      hint: "Download it again, or say iso.bytes when the disc is what you want.",
    });
  try {
    await checkMedium(medium, wanted, options);
  } catch (error) {
    if (disc.sha256 !== undefined || !(error instanceof TbuildError) || error.fault !== "integrity")
      throw error;
    throw new TbuildError("usage", `${medium.file}: nothing says which digest it should have`, {
      lines: error.lines.slice(0, 1),
      hint: `Compare it with ${checksums}, and give it as iso.sha256 in the recipe or by --set iso.sha256=…`,
      cause: error,
    });
  }
  return wanted.sha256;
}

const checksums = "Oracle's checksum file (https://linux.oracle.com/security/gpg/)";

function missingIso(disc: Disc, isoFolder: string): TbuildError {
  return new TbuildError("environment", `${disc.file}: not in ${isoFolder}`, {
    hint: `Put the disc there, or add --rehearse to build on a stand-in made from Debian's packages.`,
    lines: [
      `The recipe is built from ${disc.file}`,
      `  volume id ${disc.volumeId ?? "not on record"}`,
      `  sha256    ${disc.sha256 ?? "not on record; give it as iso.sha256"}`,
      "Oracle offers it at https://edelivery.oracle.com/linux and https://yum.oracle.com/oracle-linux-isos.html",
    ],
  });
}
