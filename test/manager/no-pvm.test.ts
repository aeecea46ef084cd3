import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run } from "../../src/cli/run.ts";
import { makesPvm } from "../../src/manager/no-pvm.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { captured } from "../fakes/captured.ts";

it.each([
  ["3.2.11.775", true],
  ["3.4.5.1919", true],
  ["3.4.6.2105", false],
  ["3.4.6", false],
  ["3.4.10.1", false],
  ["3.10.1", false],
  ["4.0", false],
])("a Manager of %s makes paravirtual machines: %s", (version, makes) =>
  expect(makesPvm(version)).toBe(makes),
);

describe("a Manager that makes no paravirtual machines", () => {
  const said = captured();
  let folder: string;
  let simulator: Simulator;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-no-pvm-"));
    simulator = await startSimulator({ settings: { version: "3.4.5.1919" } });
    await writeFile(join(folder, "password"), "Welcome1\n");
    await writeFile(
      join(folder, "site.yaml"),
      `manager:
  { host: 127.0.0.1, port: ${simulator.cli.port}, hostKey: "${simulator.hostKey}", password: { file: ${join(folder, "password")} }, repository: repo1, guestSeconds: 0 }
hypervisor:
  kind: oracle-vm
  servers: { ovs1: root@ovs1.invalid }
  networks: { build: public }
  addresses: { first: 10.0.7.200, gateway: 10.0.7.1, nameServer: 10.0.7.1 }
`,
    );
  });
  afterEach(async () => {
    process.exitCode = undefined;
    await simulator[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  async function tbuild(...args: string[]): Promise<number> {
    process.exitCode = undefined;
    said.all = "";
    return run(["--home", join(folder, "home"), "--site", join(folder, "site.yaml"), ...args]);
  }
  const upgrade = () => {
    simulator.world.settings = { ...simulator.world.settings, version: "3.4.6.2105" };
  };

  it("is asked for none: a plan says so, nothing is made, and machines that exist go on", async () => {
    const { world } = simulator;
    expect(await tbuild("clone", "place:OVM_OL6", "--name", "vm001", "--yes"), said.all).toBe(0);
    upgrade();
    const before = world.inventory();
    expect(await tbuild("clone", "place:OVM_OL6", "--name", "vm[001-002]", "--plan")).toBe(3);
    expect(said.all).toMatch(
      /machine vm002: OVM_OL6 is paravirtual, and Oracle VM Manager \S+ makes no paravirtual machines \(3\.4\.6 and later\)/,
    );
    expect(world.inventory()).toEqual(before);
    expect(said.all).not.toContain("vm001");
    expect(await tbuild("clone", "place:OVM_OL6", "--name", "vm001", "--plan"), said.all).toBe(0);
    expect(said.all).toContain("Nothing to do");
    expect(await tbuild("clone", "place:OVM_OL6", "--name", "vm001", "--destroy", "--yes"), said.all).toBe(0);
  });

  it("refuses a recipe for them before its first step", async () => {
    upgrade();
    expect(await tbuild("recipe", "ol6-base", "--rehearse")).toBe(3);
    expect(said.all).toContain("makes no paravirtual machines");
    expect(said.all).toContain("domainType: XEN_HVM_PV_DRIVERS");
  });
});
