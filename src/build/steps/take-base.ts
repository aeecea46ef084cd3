import { join } from "node:path";
import { openForBuild } from "../../firstboot/open-for-build.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import { makeRehearsalMedium } from "../../rehearsal/medium.ts";
import type { Base } from "../base/base.ts";
import { openImage } from "../guest-image.ts";
import type { Step, StepContext } from "../step.ts";
import type { Sources } from "./fetch-medium.ts";
import { type InstalledGuest, makeSecrets } from "./install-guest.ts";

/**
 * Copies the disk of a template, and prepares the copy for the build: adds the build's key, disables the
 * first boot, and sets an address by DHCP.
 */
export function takeBase(
  recipe: Recipe,
  base: Base,
  /**
   * For a rehearsal, the digest of the rehearsal medium's sources, because its repositories replace the
   * recipe's.
   */
  standInsBy?: string,
): Step<object, Sources & InstalledGuest> {
  return {
    name: "take-base",
    module: import.meta.url,
    describe: () => `start from ${base.words}`,
    inputs: () => ({
      base: base.digest,
      ...(standInsBy !== undefined && { "rehearsal medium": standInsBy }),
    }),
    async run(context) {
      const disk = join(context.out, "disk.img");
      const sources = await sourcesOf(context, recipe, standInsBy !== undefined);
      const manifest = await base.bring(context);
      const [system] = manifest.disks;
      if (!system) throw new Error(`${manifest.name} has no disk`);
      context.progress("copying the template's disk");
      await context.store.restoreDisk(system, disk, context.signal);
      const secrets = await makeSecrets(context, recipe);
      context.progress("preparing it for the build");
      await using opened = await openImage(context, disk);
      await openForBuild(opened.tree, secrets);
      return { ...sources, base: manifestDigest(manifest), disk, key: join(context.out, "build-key") };
    },
  };
}

async function sourcesOf(context: StepContext, recipe: Recipe, rehearse: boolean): Promise<Sources> {
  if (!rehearse) return { standIns: {}, standInsDigest: "none" };
  const { progress, signal } = context;
  const major = majorOf(recipe.release) === 7 ? 7 : 6;
  const made = await makeRehearsalMedium(
    context.host,
    { major, update: recipe.update },
    { cache: context.home.media, signal, progress },
  );
  return {
    mediumDigest: made.digest,
    standIns: made.repositories,
    standInsDigest: made.repositoriesDigest,
  };
}
