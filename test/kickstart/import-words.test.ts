import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { importedText, importKickstart } from "../../src/kickstart/import/import-kickstart.ts";
import { commands, isAmong, optionsOf } from "../../src/kickstart/table.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");
const samples = resolve(import.meta.dirname, "samples");
const releases = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
type Release = (typeof releases)[number];

/** The kickstart without one word: an option, a value, a package, a line of a section; line numbers stay. */
function* withoutWords(text: string): Generator<{ readonly less: string; readonly gone: string }> {
  const lines = text.split("\n");
  let section = "";
  for (const [at, line] of lines.entries()) {
    const [command = ""] = line.trim().split(/\s+/);
    if (command.startsWith("%") && command !== "%include") section = command === "%end" ? "" : command;
    const script = /^%(pre|post|traceback|onerror)/.test(section) && !line.startsWith("%");
    if (script || /^\s*(#|$|%end)/.test(line)) continue;
    const code = line.replace(/\s#.*$/, "");
    for (const { 0: word, index } of code.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g))
      yield {
        less: lines.with(at, `${line.slice(0, index)}${line.slice(index + word.length)}`).join("\n"),
        gone: `${at + 1}: ${line.trim()} - ${word}`,
      };
    yield { less: lines.with(at, "").join("\n"), gone: `${at + 1}: ${line.trim()}` };
  }
}

/** The lines of a table, each with the last release that takes it. */
function taken(file: string): { readonly text: string; readonly release: Release }[] {
  const [, ...rows] = readFileSync(resolve(import.meta.dirname, file), "utf8")
    .trimEnd()
    .split("\n");
  return rows.flatMap((row) => {
    const [line = "", ...verdicts] = row.split("\t");
    const last = verdicts.slice(0, 5).findLastIndex((verdict) => verdict !== "FAIL");
    const release = releases[last];
    return release === undefined ? [] : [{ text: line.split(" ⏎ ").join("\n"), release }];
  });
}

async function importer(release: Release) {
  const { recipe } = await loadRecipe(recipes, `${release}-base`, rules);
  return async (text: string) => importedText(await importKickstart(text, "mine", recipe), "x.ks");
}

describe("an import", () => {
  const files = readdirSync(samples).sort();
  it.each(files)("of %s has every word of every line in the recipe or in its header", async (file) => {
    const text = readFileSync(resolve(samples, file), "utf8");
    const release = releases.find((one) => file.startsWith(one)) ?? "ol7";
    const imported = await importer(release);
    const whole = await imported(text);
    const lost: string[] = [];
    for (const { less, gone } of withoutWords(text)) if ((await imported(less)) === whole) lost.push(gone);
    expect(lost).toEqual([]);
  });

  it("of any line that some release takes has every word of it in the recipe or in its header", async () => {
    const lost: string[] = [];
    const importers = new Map(
      await Promise.all(releases.map(async (one) => [one, await importer(one)] as const)),
    );
    for (const { text, release } of ["kickstart-lines.tsv", "kickstart-more-lines.tsv"].flatMap(taken)) {
      const imported = importers.get(release);
      if (imported === undefined) continue;
      const whole = await imported(text);
      for (const { less, gone } of withoutWords(text))
        if ((await imported(less)) === whole) lost.push(`${release} ${gone}`);
    }
    expect(lost).toEqual([]);
  });

  it.each(releases)(
    "of volumes that %s takes, beside a plain /boot, keeps or names each option",
    async (release) => {
      const imported = await importer(release);
      const major = Number(release.slice(2));
      const fs = major <= 5 ? "ext3" : "ext4";
      const lost: string[] = [];
      for (const name of ["part", "logvol"])
        for (const option of optionsOf(commands[name] ?? { in: "", options: "" })) {
          if (!isAmong(option.in, major)) continue;
          const value = option.number ? "50" : (option.choices[0]?.text ?? "x");
          const more = `--${option.name}${option.value === true ? `=${value}` : ""}`;
          const text = (extra: Readonly<Record<string, string>>) => `part /boot --fstype=${fs} --size=500
part swap --size=500
part pv.1 --size=1 --grow
part /srv --fstype=${fs} --size=600 ${extra.part ?? ""}
volgroup v pv.1
logvol / --vgname=v --name=root --size=5000 --fstype=${fs}
logvol /home --vgname=v --name=home --size=700 --fstype=${fs} ${extra.logvol ?? ""}
`;
          if (text({}).includes(` --${option.name}=`)) continue;
          if ((await imported(text({ [name]: more }))) === (await imported(text({}))))
            lost.push(`${name} ${more}`);
        }
      expect(lost).toEqual([]);
    },
  );

  it("says the kickstart's own letters in its header, and no control characters", async () => {
    const text = await (await importer("ol8"))(
      'logging --host=zürich.example # é\nxconfig --driver="\u0007日本\u202e"\n',
    );
    expect(text).toContain("# line 1: logging --host=zürich.example");
    expect(text).toContain('# line 2: xconfig --driver="?日本?"');
  });
});
