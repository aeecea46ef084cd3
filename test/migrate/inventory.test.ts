import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inventoryLines } from "../../src/cli/inventory.ts";
import { localHost } from "../../src/host/local.ts";
import { takeInventory } from "../../src/migrate/inventory.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-inventory-"));
  await put("gold/.ovsrepo", "OVS_REPO_VERSION=3.0\nOVS_REPO_ALIAS=gold disks\n");
  const config = (name: string, ...disks: string[]) =>
    `OVM_simple_name = '${name}'\nOVM_domain_type = 'xen_hvm'\nmemory = 512\nvcpus = 1\nvncpasswd = 'geheim'\ndisk = ${JSON.stringify(disks)}\n`;
  const at = (repository: string, name: string, mode = "w", slot = "xvda") =>
    `file:/OVS/Repositories/${repository}/VirtualDisks/${name},${slot},${mode}`;
  await put(
    "gold/VirtualMachines/1/vm.cfg",
    config("db1", at("gold", "a.img"), at("silver", "asm.img", "w!", "xvdb")),
  );
  await put(
    "gold/VirtualMachines/2/vm.cfg",
    config("db2", at("gold", "b.img"), at("silver", "asm.img", "w!", "xvdb"), "phy:/dev/mapper/lun1,xvdc,w"),
  );
  await put(
    "silver/VirtualMachines/3/vm.cfg",
    config("web", at("gold", "a.img"), "phy:/dev/mapper/lun1,xvdb,w", at("silver", "gone.img", "w", "xvdd")),
  );
  await put("silver/Templates/T/vm.cfg", config("tmpl", "file:System.img,xvda,w"));
  await put("silver/VirtualMachines/4/vm.cfg", "import os\n");
  for (const name of [
    "gold/VirtualDisks/a.img",
    "gold/VirtualDisks/b.img",
    "gold/VirtualDisks/orphan.img",
    "silver/VirtualDisks/asm.img",
    "silver/Templates/T/System.img",
  ])
    await put(name, "", 1 << 20);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(name: string, text: string, bytes?: number): Promise<void> {
  const file = join(root, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  if (bytes !== undefined) await truncate(file, bytes);
}

const inventory = (inUse?: string) =>
  takeInventory(
    localHost(),
    ["gold", "silver"].map((name) => ({
      at: join(root, name),
      users: { by: (file) => (inUse && file.endsWith(inUse) ? ["qemu"] : []) },
    })),
  );

describe("an inventory of several repositories", () => {
  it("names machines by their repository's alias, with disks, LUNs and what is missing", async () => {
    const { machines, unread } = await inventory();
    const found = Object.fromEntries(
      machines.map(({ name, repository, disks }) => [
        name,
        [repository, ...disks.map(({ slot, kind }) => `${slot} ${kind}`)],
      ]),
    );
    expect(found).toEqual({
      db1: ["gold disks", "xvda image", "xvdb image"],
      db2: ["gold disks", "xvda image", "xvdb image", "xvdc lun"],
      web: ["silver", "xvda image", "xvdb lun", "xvdd missing"],
      tmpl: ["silver", "xvda image"],
      4: ["silver"],
    });
    expect(unread).toBe(1);
  });

  it("calls a repository without an alias by its name on its own machine", async () => {
    const at = join(root, "silver");
    const { machines } = await takeInventory(localHost(), [{ at, name: "R7", users: { by: () => [] } }]);
    expect(new Set(machines.map(({ repository }) => repository))).toEqual(new Set(["R7"]));
  });

  it("tells shared disks from disks that two machines use by mistake, and finds orphans", async () => {
    const { usedTwice, orphans } = await inventory();
    expect(usedTwice.map(({ what, by, isShared }) => [what.replace(`${root}/`, ""), by, isShared])).toEqual([
      ["gold/VirtualDisks/a.img", ["db1 (xvda)", "web (xvda)"], false],
      ["silver/VirtualDisks/asm.img", ["db1 (xvdb)", "db2 (xvdb)"], true],
      ["/dev/mapper/lun1", ["db2 (xvdc)", "web (xvdb)"], false],
    ]);
    expect(orphans).toEqual([join(root, "gold/VirtualDisks/orphan.img")]);
  });

  it("says why a machine cannot leave: it runs, a disk is missing, nothing boots", async () => {
    const { machines } = await inventory("b.img");
    const leaves = Object.fromEntries(machines.map(({ name, leaves }) => [name, leaves]));
    expect(leaves.db2).toEqual({ verdict: "no", why: ["it runs: a disk is in use, by qemu"] });
    expect(leaves.web?.why[0]).toContain("gone.img is missing");
    expect(leaves.db1?.verdict).toBe("no");
    expect(leaves.db1?.why.join("\n")).toContain("no boot loader");
    expect(leaves["4"]?.verdict).toBe("unknown");
  });

  it("prints no password", async () => {
    const found = await inventory();
    expect(JSON.stringify(found) + inventoryLines(found).join("\n")).not.toContain("geheim");
  });
});
