import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { rules } from "../src/build/rules.ts";
import { readModule } from "../src/guest/modules/module.ts";
import { type KickstartTemplate, kickstart, noSecrets } from "../src/recipe/kickstart.ts";
import { loadRecipe, recipeNames } from "../src/recipe/load.ts";
import { assets } from "../src/rehearsal/medium.ts";

const root = resolve(import.meta.dirname, "..");
const names = await recipeNames(join(root, "recipes"));

async function template(name: string): Promise<KickstartTemplate> {
  const partials: Record<string, string> = {};
  for (const file of await readdir(join(root, "kickstart/partials")))
    partials[file.replace(".hbs", "")] = await readFile(join(root, "kickstart/partials", file), "utf8");
  return { name, text: await readFile(join(root, `kickstart/${name}.ks.hbs`), "utf8"), partials };
}

describe.each(names)("recipe %s", (name) => {
  it("loads, and its modules are well-formed", async () => {
    const { recipe } = await loadRecipe(join(root, "recipes"), name, rules);
    for (const module of recipe.modules)
      expect((await readModule(join(root, "recipes/modules", module))).name).toBe(module);
  });

  it("gives a kickstart that the installer of its release reads without complaint", async () => {
    const { recipe } = await loadRecipe(join(root, "recipes"), name, rules);
    const text = await kickstart(recipe, await template(recipe.kickstart), noSecrets);
    const parser =
      "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\nimport kickstart\nopen(sys.argv[3], 'w').write(sys.stdin.read())\ncommands, sections = kickstart.parse(sys.argv[3], int(sys.argv[2]), includes=False)\nprint(len(commands), kickstart.completeness(commands, sections, int(sys.argv[2])))";
    const file = `/tmp/tbuild-recipes-test-${process.pid}.ks`;
    const run = promisify(execFile)("python3", [
      "-c",
      parser,
      join(assets, "installer"),
      recipe.release.slice(2),
      file,
    ]);
    run.child.stdin?.end(text);
    expect((await run).stdout).toMatch(/^\d+ \[\]\n$/);
    expect(text).not.toContain("&quot;");
    expect(text).not.toContain("--erroronfail");
  });
});

it("a value that could leave its line is refused by the schema, whatever it is", async () => {
  const { Recipe } = await import("../src/recipe/recipe.ts");
  for (const lang of ["en_US\nrootpw x", 'a"b', "a b", "%include /etc/shadow", "$(x)", "`x`"])
    expect(Recipe.shape.lang.safeParse(lang).success, lang).toBe(false);
  for (const name of ["bash\n%post", "a b\n", "$(rm)", "-", "a'b"])
    expect(Recipe.shape.packages.safeParse({ base: [name] }).success, name).toBe(false);
});
