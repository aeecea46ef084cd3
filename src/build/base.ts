import { TbuildError } from "../errors.ts";
import type { Digest } from "../model/digest.ts";
import type { Manifest } from "../model/manifest.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { finder } from "../store/records/finder.ts";
import type { Records } from "../store/records/records.ts";
import type { Store } from "../store/store.ts";

/** The template that a recipe starts from instead of an installation. */
export interface Base {
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** Finds the version that `from` names. A rehearsal starts from a rehearsal, and a build from none. */
export async function baseOf(
  recipe: Recipe,
  rehearse: boolean,
  { store, records }: { readonly store: Store; readonly records: Records },
): Promise<Base | undefined> {
  if (recipe.from === undefined) return undefined;
  const ref = rehearse ? rehearsalOf(recipe.from) : recipe.from;
  const refuse = (why: string, hint: string) =>
    new TbuildError("usage", why, { subject: `${recipe.name}: from: ${ref}`, hint });
  const [name = ""] = recipe.from.split("@");
  const { digest, manifest, here, revoked } = await finder(store, records)
    .find(ref)
    .catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      throw refuse(
        error.about(ref),
        `Build it first (tbuild recipe ${name}${rehearse ? " --rehearse" : ""}), or bring it here: tbuild template import, tbuild template pull.`,
      );
    });
  if (revoked) throw refuse(`is revoked: ${revoked.reason}`, "Name another version.");
  if (!here) throw refuse("its disk is not in this store", "Bring it here: tbuild template pull.");
  if (manifest.rehearsal !== rehearse)
    throw refuse("is a rehearsal", "Only a rehearsal can start from a rehearsal: add --rehearse.");
  if (manifest.release.major !== majorOf(recipe.release))
    throw refuse(
      `is ${manifest.release.name}, and the recipe's release is ${recipe.release}`,
      "Correct one of the two.",
    );
  if (manifest.disks.length !== 1)
    throw refuse(
      `has ${manifest.disks.length} disks`,
      "A recipe starts from a template with one disk; it may have `disks` of its own.",
    );
  return { digest, manifest };
}

function rehearsalOf(from: string): string {
  const [name = "", ...which] = from.split("@");
  return [name.endsWith("-rehearsal") ? name : `${name}-rehearsal`, ...which].join("@");
}
