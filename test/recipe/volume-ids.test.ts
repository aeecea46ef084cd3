import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { kickstartFaults } from "../../src/kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../../src/kickstart/render.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { assigned } from "../../src/recipe/merge.ts";
import { rules } from "../../src/recipe/rules.ts";
import { volumeId } from "../../src/recipe/volume-ids.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");

const load = (name: string, values: Readonly<Record<string, string>> = {}) =>
  loadRecipe(
    recipes,
    name,
    rules,
    Object.entries(values).map(([key, value]) => assigned(key, readYaml(`--set ${key}`, value))),
  );

describe("the ids of a recipe's volumes", () => {
  it("do not depend on keys unrelated to the disk, and change with the layout", async () => {
    const id = async (values = {}) => volumeId((await load("ol6-base", values)).recipe, "/");
    const usual = await id();
    expect(usual).toMatch(/^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(await id({ version: "1.1.0", "packages.install": "[vim]" })).toBe(usual);
    expect(await id({ "machine.disk": "13G" })).not.toBe(usual);
    expect(volumeId((await load("ol6-base")).recipe, "/boot")).not.toBe(usual);
  });

  it.each([
    ["ol6", "10", "ext4", undefined],
    ["ol7", "0", "ext4", undefined],
    ["ol7", "1", "ext4", "-U "],
    ["ol7", "2", "xfs", undefined],
    ["ol7", "9", "xfs", "-m uuid="],
    ["ol9", "3", "ext4", "-U "],
  ] as const)(
    "are in the kickstart of %s.%s for %s if its installer accepts them",
    async (release, update, fs, option) => {
      const layout = `[{mount: /boot, fs: ext3, size: 500M}, {mount: swap, fs: swap, size: 1G}, {mount: /, fs: ${fs}, size: 3G, grow: true, volume: root}]`;
      const loaded = await load(`${release}-base`, { update, layout, volumeGroup: "vg" });
      const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate(release), noSecrets);
      expect(kickstartFaults(rendered, loaded)).toEqual([]);
      const [root = ""] = rendered.text.split("\n").filter((line) => line.startsWith("logvol / "));
      if (option === undefined) expect(root).not.toContain("mkfsoptions");
      else expect(root).toContain(`--mkfsoptions="${option}${volumeId(loaded.recipe, "/")}"`);
      expect(rendered.text).not.toMatch(/^part swap.*mkfsoptions/m);
    },
  );
});
