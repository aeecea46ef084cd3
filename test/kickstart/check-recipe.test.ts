import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TbuildError } from "../../src/errors.ts";
import { checkDevices } from "../../src/kickstart/check-devices.ts";
import { checkFile, kickstartFaults, refuseFaults } from "../../src/kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../../src/kickstart/render.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-check-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(text: string) {
  const file = join(folder, "own.yaml");
  await writeFile(file, `extends: ol9-base\nname: own\n${text}`);
  return loadRecipe(resolve(import.meta.dirname, "../../recipes"), file, rules);
}

describe("storage", () => {
  const whole =
    "part /boot --size=500\nlogvol / --vgname=v --name=r --size=1\nvolgroup v pv.1 pv.2\npart pv.1 --size=1\nraid pv.2 --device=md0 --level=1 raid.1 raid.2\npart raid.1 --size=1\npartition raid.2 --onpart=sdb1\n";
  const found = (text: string, major = 8) =>
    checkDevices(text, major).map(({ line, severity, text }) => `${line} ${severity}: ${text}`);

  it.each([
    [
      "volgroup v pv.1 pv.3\npart pv.1 --size=1\n",
      ["1 error: volgroup uses pv.3, which no line defines: OL8 stops there"],
    ],
    [
      "part raid.1 --size=1\nraid / --device=md0 --level=1 raid.1 raid.9\n",
      ["2 error: raid uses raid.9, which no line defines: OL8 stops there"],
    ],
    [
      "clearpart --all\nlogvol / --vgname=w --name=r --size=1\n",
      ["2 error: no volgroup defines w: OL8 stops there"],
    ],
    [
      "clearpart --all --drives=sda\nlogvol / --vgname=w --name=r --size=1\n",
      ["2 warning: no volgroup defines w: OL8 stops there, unless the disk has this group already"],
    ],
  ])("that names something that no line makes stops the installer: %j", (text, faults) => {
    expect(found(text)).toEqual(faults);
    expect(found(`${text}%include /tmp/more\n`)).toEqual([]);
    expect(found(`${text}%ksappend http://h/more\n`)).toEqual([]);
    expect(found(text, 6)).toEqual([]);
  });

  it.each([
    whole,
    "volgroup v --useexisting\nlogvol / --vgname=v --name=r --size=1\n",
    "volgroup v --noformat\nlogvol /home --vgname=v --name=h --noformat\n",
    "clearpart --all\nlogvol /home --vgname=old --name=h --useexisting\n",
    "raid /srv --device=md0 --useexisting\n",
    "volgroup v sda2\nlogvol / --vgname=v --name=r --size=1\n",
    "part btrfs.1 --size=1\nbtrfs none --label=a btrfs.1\nbtrfs / --subvol --name=r LABEL=a\n",
    "autopart\n",
  ])("is in order in any order of the lines, and with devices that exist: %j", (text) => {
    expect([7, 8, 9].flatMap((major) => found(text, major))).toEqual([]);
  });

  it("that is missing refuses a file", () => {
    const target = { major: 9 };
    expect(() => checkFile("x.ks", whole.replace("pv.1 pv.2", "pv.1 pv.7"), target)).toThrow(
      /OL9 would not install/,
    );
    expect(() => checkFile("x.ks", whole, target)).not.toThrow();
  });
});

describe("a fault of a kickstart", () => {
  it("is attributed to the recipe's value on its line", async () => {
    const loaded = await load("timezone: Europe/Zurich\nlang: de_CH.UTF-8\n");
    const template = await kickstartTemplate("ol9");
    const text = template.text
      .replace("timezone --utc", "timezone --isUtc")
      .replace("{{> answers}}", "lang {{recipe.lang}} {{recipe.lang}}\nkeyboard us");
    const faults = kickstartFaults(
      await renderKickstart(loaded.recipe, { ...template, text }, noSecrets),
      loaded,
    );
    expect(
      faults.map(({ at, path, severity, source }) => ({ line: at.line, path, severity, source })),
    ).toEqual([
      { line: 4, path: "lang", severity: "error", source: "lang de_CH.UTF-8 de_CH.UTF-8" },
      { line: 3, path: "timezone", severity: "warning", source: "timezone --isUtc Europe/Zurich" },
    ]);
  });

  it("on a line without a value is attributed to the template's name, and is refused with all others", async () => {
    const loaded = await load("kickstart: ol6\n");
    const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate("ol6"), noSecrets);
    const faults = kickstartFaults(rendered, loaded);
    expect(faults.map((fault) => fault.text)).toEqual([
      expect.stringMatching(/^OL9 has no command install/),
      expect.stringMatching(/^authconfig is deprecated/),
    ]);
    try {
      refuseFaults("own", faults);
      expect.fail("it was accepted");
    } catch (error) {
      expect((error as TbuildError).lines).toEqual([
        expect.stringMatching(/own\.yaml:3:12: kickstart: OL9 has no command install.* \(line 2: install\)$/),
      ]);
    }
  });

  it("is that of a template which sets a text of several lines on one", async () => {
    const loaded = await load('scripts: [{ name: a, run: "one\\nrootpw x\\n" }]\n');
    for (const text of ["lang {{recipe.scripts.0.run}}\n", "%post\n{{shell recipe.scripts.0.run}}\n%end\n"]) {
      const template = { ...(await kickstartTemplate("ol9")), text };
      await expect(renderKickstart(loaded.recipe, template, noSecrets)).rejects.toThrow(
        /kickstart\/ol9\.ks\.hbs: "one\\nrootpw x\\n" cannot be written on one line/,
      );
    }
  });

  it("is that of a template which names what no recipe has", async () => {
    const loaded = await load("");
    const template = { ...(await kickstartTemplate("ol9")), text: "lang {{recipe.language}}\n" };
    await expect(renderKickstart(loaded.recipe, template, noSecrets)).rejects.toThrow(
      /kickstart\/ol9\.ks\.hbs: "language" not defined/,
    );
  });
});
