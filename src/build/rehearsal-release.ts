import { TbuildError } from "../errors.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";

/** The release of the rehearsal medium that stands in for a recipe's disc. Throws if there is none. */
export function rehearsalRelease({ name, release, update }: Recipe) {
  const major = majorOf(release);
  if (major === 6 || major === 7) return { major, update } as const;
  throw new TbuildError("usage", `no rehearsal medium for ${release}`, {
    subject: name,
    hint: "Available: ol6 and ol7.",
  });
}
