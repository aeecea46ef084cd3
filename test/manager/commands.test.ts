import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { managerBench } from "./command-line.ts";

const bench = managerBench();
const { said, tbuild, site } = bench;
afterEach(() => vi.unstubAllEnvs());

const ssh = () =>
  `manager: { host: 127.0.0.1, port: ${bench.simulator.cli.port}, password: { file: ${join(bench.folder, "password")} }, repository: repo1 }\n`;
const rest = () =>
  `manager: { host: 127.0.0.1, via: rest, port: ${bench.simulator.rest?.port}, password: { file: ${join(bench.folder, "password")} }, repository: repo1 }\n`;

describe("a deployment over ssh", () => {
  it("ends its connection with the command, so that nobody waits until it is idle", async () => {
    await site(ssh());
    await tbuild("manager", "trust", "--yes");
    await writeFile(
      join(bench.folder, "one.yaml"),
      "name: one\ntemplate: place:OVM_OL6\nmachines: [{ name: vm001, nics: [{ network: public }] }]\n",
    );
    expect(await tbuild("deploy", join(bench.folder, "one.yaml"), "--plan"), said.err).toBe(0);
    await vi.waitFor(() => expect(bench.simulator.cli.connections()).toBe(0), { timeout: 1000 });
    await site(ssh().replace("repo1", "no-such"));
    expect(await tbuild("deploy", join(bench.folder, "one.yaml"), "--plan")).toBe(3);
    await vi.waitFor(() => expect(bench.simulator.cli.connections()).toBe(0), { timeout: 1000 });
  });
});

describe("a deployment whose destruction was killed at its very end", () => {
  it("is forgotten by the next --destroy, with what the Manager kept for it", async () => {
    await site(ssh());
    await tbuild("manager", "trust", "--yes");
    const file = join(bench.folder, "one.yaml");
    await writeFile(
      file,
      "name: one\ntemplate: place:OVM_OL6\nmachines: [{ name: vm001, nics: [{ network: public }] }]\n",
    );
    const { world } = bench.simulator;
    const known = new Set(world.objects.keys());
    const before = world.inventory();
    expect(await tbuild("deploy", file, "--yes"), said.err).toBe(0);
    const [template] = world.all("Vm");
    const states = join(bench.folder, "home/deployments/states");
    const { id } = JSON.parse(await readFile(join(states, "one.json"), "utf8"));
    // As a kill between the last machine and the state would leave it.
    for (const id of world.objects.keys()) if (!known.has(id)) world.objects.delete(id);
    world.add("VmCloneCustomizer", `tbuild-${id}-vm001`, { vm: template?.id });
    expect(await tbuild("deploy", file, "--destroy", "--yes"), said.err).toBe(0);
    expect(said.out).toContain("Nothing of this deployment is left");
    expect(world.inventory()).toEqual(before);
    expect(await readdir(states)).toEqual([]);
  });
});

describe.each([
  ["ssh", ssh, () => bench.simulator.hostKey],
  ["rest", rest, () => bench.simulator.rest?.fingerprint],
] as const)("tbuild manager over %s", (_way, text, identity) => {
  it("requires trust in the Manager first, then shows its objects, and imports a template", async () => {
    await site(text());
    expect(await tbuild("manager")).toBe(3);
    expect(said.err).toContain("is not known yet");
    expect(said.err).toContain(identity() ?? "?");
    expect(said.err).toContain("tbuild manager trust");
    expect(await tbuild("manager", "trust")).toBe(2);
    expect(said.err).toContain("--yes");
    expect(await tbuild("manager", "trust", "--yes")).toBe(0);
    expect(said.out).toContain("recorded");
    said.out = "";
    expect(await tbuild("manager", "trust")).toBe(0);
    expect(said.out).toContain("this is the");
    said.out = "";
    expect(await tbuild("manager", "trust", "--json")).toBe(0);
    expect(JSON.parse(said.out)).toMatchObject({ host: "127.0.0.1", isNew: false });
    said.out = "";

    const bundle = join(bench.folder, "ol6-grid-1.0.0.tgz");
    await writeFile(bundle, "a bundle");
    const shown = await importsShown();
    expect(shown).toHaveLength(2);
    for (const command of shown) {
      const words = command.replace("import ol6-grid-1.0.0.tgz", `import ${bundle}`).split(" ");
      said.out = "";
      expect(await tbuild(...words.slice(1)), said.err).toBe(0);
      expect(said.out).toContain("imported ol6-grid-1.0.0");
      const made = bench.simulator.world.all("Vm").filter(({ name }) => name === "ol6-grid-1.0.0");
      expect(made.map(({ description }) => description)).toEqual(["ol6-grid@1.0.0"]);
      if (command !== shown.at(-1)) for (const { id } of made) bench.simulator.world.objects.delete(id);
    }
    expect(await tbuild("manager", "import", bundle, "http://web.example.com/2.tgz")).toBe(2);
    expect(said.err).toContain("the parts of a template must be all local files or all URLs");
    expect(await tbuild("manager", "import", join(bench.folder, "none.tgz"))).toBe(2);
    expect(said.err).toContain("no such file");

    said.out = "";
    expect(await tbuild("manager")).toBe(0);
    expect(said.out).toMatch(/3\.4\.5\.1919 over (ssh|rest)\na SIMULATOR/);
    expect(said.out).toMatch(/^ol6-grid-1\.0\.0 +template +XEN_PVM +1 +2048 MiB/m);
    expect(Math.max(...said.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    said.out = "";
    expect(await tbuild("manager", "--json")).toBe(0);
    expect(JSON.parse(said.out)).toMatchObject({ pools: [{ name: "pool1" }], about: { isSimulator: true } });
    expect(`${said.out}${said.err}`).not.toContain("Welcome1");
  });
});

describe("tbuild manager", () => {
  it("says how a site names a Manager, if it names none", async () => {
    await site("{}\n");
    expect(await tbuild("manager")).toBe(2);
    expect(said.err).toContain("has no manager");
  });

  it("says that a description is not shown, and is therefore unknown", async () => {
    await site(`${ssh().trim().slice(0, -1)}, hostKey: "${bench.simulator.hostKey}" }\n`);
    bench.simulator.world.settings = { ...bench.simulator.world.settings, showsDescription: false };
    expect(await tbuild("manager", "import", "http://192.0.2.1/a.tgz", "--description", "a@1.0.0")).toBe(6);
    expect(said.err).toContain("the Manager does not show it");
  });

  it.each([
    [["file:///a.tgz"], "not a URL that Oracle VM Manager can fetch", 2],
    [["http://192.0.2.1/a.tgz", "http://192.0.2.1/b.ova"], "cannot be one template", 2],
    [["http://192.0.2.1/missing.tgz"], "cannot be fetched", 3],
    [["http://192.0.2.1/a.tgz", "--name", "OVM_OL6"], "has a virtual machine or template named OVM_OL6", 3],
    [["http://192.0.2.1/a.tgz", "--repository", "repo9"], "has no repository named repo9", 3],
  ])("refuses to import %j", async (args, words, code) => {
    await site(`${ssh().trim().slice(0, -1)}, hostKey: "${bench.simulator.hostKey}" }\n`);
    const before = bench.simulator.world.inventory();
    expect(await tbuild("manager", "import", ...args)).toBe(code);
    expect(said.err).toContain(words);
    expect(bench.simulator.world.inventory()).toEqual(before);
  });
});

/** The imports that docs/oracle-vm.md shows. */
async function importsShown(): Promise<string[]> {
  const text = await readFile(resolve(import.meta.dirname, "../../docs/oracle-vm.md"), "utf8");
  return text.split("\n").filter((line) => line.startsWith("tbuild manager import "));
}
