import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { moduleReference, moduleSchema } from "../src/cli/module-reference.ts";
import { readModule } from "../src/firstboot/module.ts";
import { partsOf } from "../src/kickstart/check.ts";
import { kickstartFaults } from "../src/kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../src/kickstart/render.ts";
import { discOf, lastUpdate } from "../src/recipe/discs.ts";
import { recipeSchema, siteSchema } from "../src/recipe/json-schema.ts";
import { loadRecipe, recipeNames } from "../src/recipe/load.ts";
import { assignment } from "../src/recipe/merge.ts";
import { majorOf, sealing } from "../src/recipe/recipe.ts";
import { recipeReference, siteReference } from "../src/recipe/reference.ts";
import { rules } from "../src/recipe/rules.ts";
import { assets } from "../src/rehearsal/rehearsal.ts";
import { kickstartTemplate } from "./kickstart-template.ts";

const root = resolve(import.meta.dirname, "..");
const folder = join(root, "recipes");
const names = await recipeNames(folder);

async function load(name: string, update?: number) {
  const values = update === undefined ? [] : [assignment(`update=${update}`, "--set update")];
  return loadRecipe(
    folder,
    name,
    rules,
    values.flatMap((value) => value ?? []),
  );
}

describe.each(names)("recipe %s", (name) => {
  it("loads, and its modules are well-formed", async () => {
    const { recipe } = await load(name);
    for (const module of recipe.modules)
      expect((await readModule(join(folder, "modules", module))).name).toBe(module);
  });

  it("gives for every update of its release a kickstart of which that release says nothing", async () => {
    const { recipe } = await load(name);
    for (let update = 0; update <= lastUpdate[recipe.release]; update++) {
      const loaded = await load(name, update);
      expect(discOf(loaded.recipe).file).toContain(`R${majorOf(recipe.release)}-U${update}-`);
      const template = await kickstartTemplate(recipe.kickstart ?? recipe.release);
      const rendered = await renderKickstart(loaded.recipe, template, noSecrets);
      expect(kickstartFaults(rendered, loaded)).toEqual([]);
    }
  });

  it("gives scripts that a shell can read", async () => {
    const { recipe } = await load(name);
    const template = await kickstartTemplate(recipe.kickstart ?? recipe.release);
    const { text } = await renderKickstart(recipe, template, noSecrets);
    const scripts = partsOf(text, majorOf(recipe.release), () => {}).filter((part) =>
      /^%p(re|ost)$/.test(part.name),
    );
    expect(scripts).toHaveLength(3);
    const run = promisify(execFile)("bash", ["-n"]);
    run.child.stdin?.end(scripts.flatMap((part) => part.body).join("\n"));
    await run;
  });

  it("has a line in docs/recipes.md, and tells editors of its schema", async () => {
    expect(await readFile(join(root, "docs/recipes.md"), "utf8")).toContain(`\`${name}\``);
    expect(await readFile(join(folder, `${name}.yaml`), "utf8")).toMatch(
      /^# yaml-language-server: \$schema=\.\.\/docs\/recipe\.schema\.json\n/,
    );
  });
});

it("the whole recipe in the reference loads, and its installer takes its kickstart", async () => {
  const own = await mkdtemp(join(tmpdir(), "tbuild-reference-"));
  try {
    const [, example = ""] = /## A whole recipe[\s\S]*?```yaml\n([\s\S]*?)```/.exec(recipeReference()) ?? [];
    await writeFile(join(own, "shop.yaml"), example);
    await writeFile(join(own, "shop.pub"), "ssh-ed25519 AAAA shop");
    const loaded = await loadRecipe(folder, join(own, "shop.yaml"), rules);
    const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate("ol8"), noSecrets);
    expect(kickstartFaults(rendered, loaded)).toEqual([]);
    expect(sealing(loaded.recipe).keep).toEqual(["/home/shop/.ssh/authorized_keys"]);
  } finally {
    await rm(own, { recursive: true });
  }
});

describe.each(names.filter((name) => /^ol[67]/.test(name)))("recipe %s", (name) => {
  it("gives a kickstart that the installer of the rehearsal reads without complaint", async () => {
    const { recipe } = await load(name);
    const { text } = await renderKickstart(recipe, await kickstartTemplate(recipe.release), noSecrets);
    const parser =
      "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\nimport kickstart\nopen(sys.argv[3], 'w').write(sys.stdin.read())\ncommands, sections = kickstart.parse(sys.argv[3], int(sys.argv[2]), includes=False)\nprint(len(commands), kickstart.completeness([c for c in commands] + [kickstart.Command('clearpart', 0, {}, [])], sections, int(sys.argv[2])))";
    const folder = await mkdtemp(join(tmpdir(), "tbuild-recipes-"));
    try {
      const argv = ["-c", parser, join(assets, "installer"), recipe.release.slice(2), join(folder, "ks")];
      const run = promisify(execFile)("python3", argv);
      run.child.stdin?.end(text);
      expect((await run).stdout).toMatch(/^\d+ \[\]\n$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

// After a change of the schema: npx vitest run --project check test/recipes.test.ts -u
it("docs/recipe.md and docs/recipe.schema.json are what the schema says", async () => {
  await expect(recipeReference()).toMatchFileSnapshot(join(root, "docs/recipe.md"));
  await expect(`${JSON.stringify(recipeSchema(), undefined, 2)}\n`).toMatchFileSnapshot(
    join(root, "docs/recipe.schema.json"),
  );
});

it("docs/site.md and docs/site.schema.json are what the schema says", async () => {
  await expect(siteReference()).toMatchFileSnapshot(join(root, "docs/site.md"));
  await expect(`${JSON.stringify(siteSchema(), undefined, 2)}\n`).toMatchFileSnapshot(
    join(root, "docs/site.schema.json"),
  );
});

it("docs/module.md and docs/module.schema.json are what the schema says", async () => {
  await expect(moduleReference()).toMatchFileSnapshot(join(root, "docs/module.md"));
  await expect(`${JSON.stringify(moduleSchema(), undefined, 2)}\n`).toMatchFileSnapshot(
    join(root, "docs/module.schema.json"),
  );
});

it("the references say the form of every key in words", () => {
  expect(recipeReference()).not.toMatch(/\| `\^/);
  expect(moduleReference()).not.toMatch(/\| `\^|list: `\^/);
});
