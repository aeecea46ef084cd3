import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { TbuildError } from "../errors.ts";
import type { EnumeratedModule } from "../firstboot/contract.ts";
import { inGuestOperations } from "../guest/convert/in-guest.ts";
import type { PackagedFiles } from "../guest/describe-guest.ts";
import { modulesThere } from "../guest/facts.ts";
import { auditAll } from "../guest/operation.ts";
import { readRelease } from "../guest/release.ts";
import { readPackageFiles } from "../guest/rpm/files.ts";
import { readPackageRecords } from "../guest/rpm/records.ts";
import { Survey } from "../guest/survey.ts";
import type { GuestTree } from "../image/tree.ts";
import type { Digest } from "../model/digest.ts";
import type { PackageRecord } from "../model/manifest.ts";
import { stoppedChanges } from "../provision/stopped.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { makeOverlay, openImage } from "./guest-image.ts";
import type { StepContext } from "./step.ts";

/** What provisioning leaves in a guest, for the steps after it. */
export interface GuestAnswers {
  readonly packages: readonly PackageRecord[];
  /** The packages' files in /etc. Other files there, and changed ones, were edited by hand. */
  readonly packagedFiles: PackagedFiles;
  /** The first-boot modules of packages, with their parameters. */
  readonly modulesThere: readonly EnumeratedModule[];
}

/**
 * Configures the guest in `image`, a new overlay of the template's disk. If editing is not enough, returns
 * the reason.
 */
export async function provisionStopped(
  context: StepContext,
  { recipe, folder }: { readonly recipe: Recipe; readonly folder: string },
  { disk, base }: { readonly disk: string; readonly base: Digest },
  image: string,
): Promise<GuestAnswers | string> {
  await makeOverlay(context, disk, "raw", image);
  const answers = await inStopped(context, recipe, folder, image).catch((error: unknown) => {
    if (!(error instanceof TbuildError) || error.fault !== "environment") throw error;
    return error.about(basename(image));
  });
  if (typeof answers === "string") {
    await rm(image);
    return answers;
  }
  const packages = withRepositories(answers.packages, (await context.store.get(base))?.packages ?? []);
  return { ...answers, packages };
}

async function inStopped(
  context: StepContext,
  recipe: Recipe,
  folder: string,
  image: string,
): Promise<GuestAnswers | string> {
  await using opened = await openImage(context, image);
  const { tree } = opened;
  const found = await stoppedChanges(tree, recipe, folder);
  if ("why" in found) return found.why;
  const programs = await auditAll(tree, inGuestOperations(recipe.domainType, await readRelease(tree)));
  const [pending] = programs.flatMap(({ done }) => done);
  if (pending !== undefined) return pending;
  const answers = await read(tree, recipe);
  if (typeof answers === "string") return answers;
  context.progress("adding repositories, folders and files to the stopped guest");
  for (const change of found.changes) await change(tree);
  return answers;
}

/** Gives the same facts as a running guest would. */
async function read(tree: GuestTree, recipe: Recipe): Promise<GuestAnswers | string> {
  const packages = (await readPackageRecords(tree)) ?? [];
  const packagedFiles: Record<string, { package: string; digest: string }> = {};
  for (const [path, { package: owner, digest }] of (await readPackageFiles(tree)) ?? [])
    if (path.startsWith("/etc/") && digest !== "") packagedFiles[path] = { package: owner, digest };
  const unknown: string[] = [];
  const modules = recipe.additions ? await modulesThere(new Survey(tree), unknown) : [];
  return unknown[0] ?? { packages, packagedFiles, modulesThere: modules };
}

// The base's manifest records the repository of each package.
function withRepositories(
  packages: readonly PackageRecord[],
  before: readonly PackageRecord[],
): PackageRecord[] {
  const idOf = ({ name, epoch, version, release, arch }: PackageRecord) =>
    [name, epoch, version, release, arch].join(" ");
  const known = new Map(before.map((one) => [idOf(one), one.repository]));
  return packages.map((one) => {
    const repository = known.get(idOf(one));
    return { ...one, ...(repository !== undefined && { repository }) };
  });
}
