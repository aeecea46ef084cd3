import { resolve } from "node:path";
import { expect, it } from "vitest";
import { kickstartFaults } from "../../src/kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../../src/kickstart/render.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { assigned } from "../../src/recipe/merge.ts";
import { rules } from "../../src/recipe/rules.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");

it.each(["ol7", "ol8", "ol9"] as const)(
  "%s gets a biosboot partition from 2 TiB on, and not before",
  async (release) => {
    const lines = async (disk: string) => {
      const size = assigned("machine.disk", readYaml("--set", disk));
      const loaded = await loadRecipe(recipes, `${release}-base`, rules, [size]);
      const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate(release), noSecrets);
      expect(kickstartFaults(rendered, loaded)).toEqual([]);
      return rendered.text.split("\n").filter((line) => line.startsWith("part "));
    };
    expect((await lines("4T"))[0]).toBe("part biosboot --fstype=biosboot --size=1");
    expect((await lines("2047G")).join("\n")).not.toContain("biosboot");
  },
);
