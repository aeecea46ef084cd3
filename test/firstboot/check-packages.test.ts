import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkModules, findingLine, type RecipePackages } from "../../src/firstboot/check/index.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-packages-"));
  await mkdir(join(root, "mine/payload/opt/mine"), { recursive: true });
  await writeFile(join(root, "mine/payload/opt/mine/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(
    join(root, "mine/module.yaml"),
    `name: mine
description: Mounts.
targets: { configure: 80 }
run: { program: /opt/mine/run.sh }
packages:
  - bash
  - nfs-utils
`,
  );
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function findings({ installed = [] as string[], leftOut = [] as string[], hasGroups = false }) {
  const packages: RecipePackages = { installed: new Set(installed), leftOut: new Set(leftOut), hasGroups };
  const found = await checkModules([join(root, "mine")], [{ name: "ol6", python: [2, 6] }], true, packages);
  return found.findings.map((one) => findingLine(one).replace(`${root}/`, ""));
}

describe("the packages of a module", () => {
  it("that the recipe does not install are named with file, line and remedy", async () => {
    expect(await findings({ installed: ["nfs-utils-lib"] })).toEqual([
      "mine/module.yaml:7: error: packages.1: the recipe does not install nfs-utils. Add nfs-utils to packages.install of the recipe",
    ]);
    expect(await findings({ installed: ["nfs-utils"], leftOut: ["nfs-utils"] })).toEqual([
      "mine/module.yaml:7: error: packages.1: the recipe leaves nfs-utils out. Remove nfs-utils from packages.exclude and packages.remove of the recipe",
    ]);
  });

  it("may be part of a group, so it is only a warning", async () => {
    expect(await findings({ installed: ["@base"], hasGroups: true })).toEqual([
      expect.stringContaining(
        "7: warning: packages.1: the recipe does not install nfs-utils, unless one of its groups does",
      ),
    ]);
  });

  it("that the recipe installs, or that every guest has, are fine", async () => {
    expect(await findings({ installed: ["nfs-utils"] })).toEqual([]);
  });
});
