import { TbuildError } from "../../errors.ts";
import { amount } from "../../io/units.ts";
import type { Manifest } from "../../model/manifest.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import type { Refusal } from "./base.ts";

export function refusalOf({ name }: Recipe, from: string): Refusal {
  return (why, hint) => new TbuildError("usage", why, { subject: `${name}: from: ${from}`, hint });
}

export function revokedError(refusal: Refusal, reason: string): TbuildError {
  return refusal(`is revoked: ${reason}`, "Name another version.");
}

/** Throws if a recipe cannot start from a template. */
export function refuseUnfit(manifest: Manifest, recipe: Recipe, rehearse: boolean, refusal: Refusal): void {
  const { name, version, release, disks } = manifest;
  if (manifest.rehearsal && !rehearse)
    throw refusal("is a rehearsal", "Only a rehearsal can start from a rehearsal: add --rehearse.");
  if (!manifest.rehearsal && rehearse)
    throw refusal(
      "is not a rehearsal",
      "A rehearsal starts from a rehearsal: name one with --set from=…, or omit --rehearse.",
    );
  if (release.major === 0)
    throw refusal(
      "its release was not found in the image",
      `A recipe starts from Oracle Linux. To inspect it: tbuild template show ${name}@${version}`,
    );
  if (release.major !== majorOf(recipe.release))
    throw refusal(
      `is ${release.name}, but the recipe's release is ${recipe.release}`,
      "Correct the recipe's release, or start from another template.",
    );
  if (disks.length !== 1)
    throw refusal(
      `has ${amount(disks.length, "disk")}`,
      "A recipe starts from a template with one disk; it may add its own `disks`.",
    );
}
