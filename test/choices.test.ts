import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { formats } from "../src/bundles/write/table.ts";
import * as choices from "../src/choices.ts";
import { makeProgram } from "../src/cli/program.ts";
import { accesses } from "../src/image/ways/table.ts";
import { recipeReference } from "../src/recipe/reference.ts";
import { Site } from "../src/recipe/site.ts";

const src = resolve(import.meta.dirname, "../src");
const lists = Object.entries<unknown>(choices).filter((one): one is [string, readonly string[]] =>
  Array.isArray(one[1]),
);

describe("what may be chosen from", () => {
  it.each(lists)("%s is in one file only", (_, words) => {
    const repeated = readdirSync(src, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && file !== "choices.ts")
      .filter((file) => {
        const lines = readFileSync(join(src, file), "utf8").replaceAll(/\.default\([^)]*\)/g, "");
        // A list is an array or a union that names all but one of them.
        return [...lines.matchAll(/(?:"[\w-]+"[\s,|]*){2,}/g)].some(
          ([text]) =>
            words.filter((word) => text.includes(`"${word}"`)).length >= Math.max(3, words.length - 1),
        );
      });
    expect(repeated).toEqual([]);
  });

  it("are access methods that a site may name, each with its implementation", () => {
    expect(Object.keys(accesses)).toEqual([...choices.waysIn]);
    for (const kind of ["auto", ...choices.waysIn])
      expect(Site.parse({ images: { kind } }).images.kind).toBe(kind);
  });

  it("are formats with a packer", () => {
    expect(formats.map(({ name }) => name)).toEqual([...choices.bundleFormats]);
  });

  it("are in the reference of recipes", () => {
    const reference = recipeReference();
    for (const list of [choices.releases, choices.domainTypes, choices.bundleFormats])
      expect(reference).toContain(list.map((word) => `\`${word}\``).join(", "));
  });

  it("are in the help of the commands that accept them", () => {
    const help = (...names: string[]) => {
      let command = makeProgram();
      for (const name of names) command = command.commands.find((one) => one.name() === name) ?? command;
      return command.helpInformation().replace(/\s+/g, " ");
    };
    for (const word of choices.bundleFormats) expect(help("template", "bundle")).toContain(`"${word}"`);
    for (const word of choices.domainTypes) expect(help("template", "import")).toContain(`"${word}"`);
    for (const word of choices.releases) expect(help("recipe", "import")).toContain(`"${word}"`);
    for (const command of ["inspect", "repair", "seal"])
      expect(help(command)).toContain(choices.waysIn.join(", "));
  });
});
