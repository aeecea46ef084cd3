import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rules } from "../../src/build/rules.ts";
import { TbuildError } from "../../src/errors.ts";
import { loadRecipe } from "../../src/recipe/load.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-recipe-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const whole = `name: small
version: 1.0.0
summary: a small one
release: ol6
update: 10
iso: { file: a.iso, volumeId: OL6, sha256: ${"a".repeat(64)} }
kickstart: ol6
layout:
  - { mount: /boot, fs: ext3, size: 500M }
  - { mount: /, fs: ext4, size: 3G, grow: true }
repositories:
  - { id: ol6_addons, name: addons, url: "https://yum.oracle.com/x/" }
additions: { repository: ol6_addons, packages: [ovmd] }
domainType: XEN_PVM
`;

async function load(text: string, name = "small") {
  await writeFile(join(folder, `${name}.yaml`), text);
  return loadRecipe(folder, name, rules);
}

async function faults(text: string): Promise<TbuildError> {
  return load(text).then(
    () => expect.fail("the recipe was accepted"),
    (error) => error,
  );
}

describe("a recipe", () => {
  it("is read with sizes in MiB and defaults filled in", async () => {
    const { recipe } = await load(whole);
    expect(recipe.layout[1]).toEqual({ mount: "/", fs: "ext4", size: 3072, grow: true });
    expect(recipe.machine).toEqual({ vcpus: 1, memory: 1024, disk: 12288 });
    expect(recipe.seal.how).toBe("offline");
  });

  it("grows the lists of what it extends, and replaces a layout as a whole", async () => {
    await load(whole);
    const { recipe } = await load(
      `extends: small
name: grown
additions: { packages: [ovm-template-config] }
layout: [{ mount: /boot, fs: ext3, size: 200M }, { mount: /, fs: ext4, size: 2G }]
`,
      "grown",
    );
    expect(recipe.additions.packages).toEqual(["ovmd", "ovm-template-config"]);
    expect(recipe.layout.map((part) => part.size)).toEqual([200, 2048]);
  });

  it("with six faults names all six, of shape and of meaning, each with its line", async () => {
    const error = await faults(
      whole
        .replace("version: 1.0.0", "version: one")
        .replace("kickstart: ol6", "kickstart: ol6\nkickstrat: ol7")
        .replace("fs: ext3, size: 500M", "fs: ext3, size: half")
        .replace("repository: ol6_addons", "repository: ol6_addon")
        .replace("domainType: XEN_PVM", "domainType: XEN_PV\nseal: { skip: [machine_id] }\nmodules: [gird]"),
    );
    expect(error).toBeInstanceOf(TbuildError);
    expect(error.fault).toBe("usage");
    const text = error.lines.map((line) => line.replace(/^.*small\.yaml/, "small.yaml"));
    expect(text).toHaveLength(7);
    expect(text).toEqual([
      'small.yaml:2:10: version: "one" is not three numbers, such as 1.0.0',
      'small.yaml:8:12: kickstrat: no such key; did you mean "kickstart"?',
      'small.yaml:10:37: layout.0.size: "half" is not a size such as 500M or 12G',
      'small.yaml:14:26: additions.repository: no repository "ol6_addon"; did you mean "ol6_addons"?',
      'small.yaml:15:13: domainType: "XEN_PV" is none of its values; did you mean "XEN_PVM"?',
      'small.yaml:16:16: seal.skip.0: no operation "machine_id"; did you mean "machine-id"?',
      "small.yaml:17:11: modules.0: no folder modules/gird",
    ]);
  });

  it.each([
    ["a YAML fault", "name: [unclosed", /not a YAML file/],
    ["a list", "- a\n- b\n", /not a recipe/],
    ["nothing", "", /not a recipe/],
    ["itself above it", "extends: small\nname: small\n", /extends itself/],
  ])("that is %s is refused in words", async (_what, text, message) => {
    expect((await faults(text)).message).toMatch(message);
  });

  it("that does not exist is answered with the nearest name", async () => {
    await load(whole);
    await expect(loadRecipe(folder, "smal")).rejects.toThrow(/no such recipe; did you mean "small"\?/);
  });

  it("cannot put PVM on a release that has none", async () => {
    const error = await faults(whole.replace("release: ol6", "release: ol7"));
    expect(error.lines.join()).toContain("ol7 cannot run as XEN_PVM; use XEN_HVM_PV_DRIVERS");
  });
});
