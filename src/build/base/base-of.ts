import { TbuildError } from "../../errors.ts";
import { type Origin, originOf } from "../../recipe/from.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { OpenedSite } from "../opened-site.ts";
import type { Base, Refusal, Wanted } from "./base.ts";
import { fileBase } from "./file.ts";
import { refusalOf, refuseUnfit, revokedError } from "./refusals.ts";
import { registryBase } from "./registry.ts";
import { storeBase } from "./store.ts";

const kinds: Readonly<
  Record<Origin, (opened: OpenedSite, wanted: Wanted, refusal: Refusal) => Promise<Base>>
> = { version: storeBase, registry: registryBase, file: fileBase };

/** Finds the template that `from` names, and checks what is known about it. Changes nothing. */
export async function baseOf(
  opened: OpenedSite,
  recipe: Recipe,
  folder: string,
  rehearse: boolean,
): Promise<Base | undefined> {
  const { from } = recipe;
  if (from === undefined) return undefined;
  const refusal = refusalOf(recipe, from);
  const found = await kinds[originOf(from)](opened, { from, folder, rehearse }, refusal).catch((error) => {
    if (!(error instanceof TbuildError) || error.subject?.startsWith(`${recipe.name}: `)) throw error;
    throw error.within(`${recipe.name}: from`);
  });
  if (found.manifest) refuseUnfit(found.manifest, recipe, rehearse, refusal);
  return {
    ...found,
    async bring(context) {
      const manifest = await found.bring(context);
      const revoked = await context.records.revocation(manifest.name, manifest.version);
      if (revoked && revoked.lifted === undefined) throw revokedError(refusal, revoked.reason);
      refuseUnfit(manifest, recipe, rehearse, refusal);
      return manifest;
    },
  };
}
