import { TbuildError } from "../errors.ts";
import { checkModules, findingLine, type RecipePackages } from "../firstboot/check/index.ts";
import { type Major, releases } from "../guest/release.ts";
import { localHost } from "../host/local.ts";
import { amount } from "../io/units.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";

// A module that fails at first boot costs a whole build, so such modules are refused before the build begins.
export async function refuseBrokenModules(recipe: Recipe, folders: readonly string[]): Promise<void> {
  const major = majorOf(recipe.release) as Major;
  const forRelease = { name: `ol${major}`, python: releases[major].python };
  const { findings } = await checkModules(folders, [forRelease], true, packagesOf(recipe), localHost());
  const errors = findings.filter(({ level }) => level === "error");
  if (errors.length > 0)
    throw new TbuildError("usage", `${amount(errors.length, "error")} in its first-boot modules`, {
      subject: recipe.name,
      lines: errors.map(findingLine),
      hint: "To see warnings, too: tbuild module check",
    });
}

function packagesOf(recipe: Recipe): RecipePackages {
  const { base, install, exclude, remove } = recipe.packages;
  const ntp = recipe.ntp.length > 0 && majorOf(recipe.release) <= 6 ? ["ntp"] : [];
  const named = [...base, ...install, ...ntp, ...(recipe.additions?.packages ?? [])];
  return {
    installed: new Set(named),
    leftOut: new Set([...exclude, ...remove]),
    hasGroups: named.some((name) => name.startsWith("@")),
  };
}
