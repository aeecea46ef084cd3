import { beforeEach, describe, expect, it } from "vitest";
import { makesPvm } from "../../src/manager/no-pvm.ts";
import { managerBench } from "./command-line.ts";

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
  const bench = managerBench();
  const { said } = bench;
  beforeEach(() =>
    bench.site(`${bench.manager("ssh", "  guestSeconds: 0\n")}hypervisor:
  kind: oracle-vm
  servers: { ovs1: root@ovs1.invalid }
  networks: { build: public }
  addresses: { first: 10.0.7.200, gateway: 10.0.7.1, nameServer: 10.0.7.1 }
`),
  );

  async function tbuild(...args: string[]): Promise<number> {
    said.all = "";
    return bench.tbuild(...args);
  }
  const upgrade = () => {
    const { world } = bench.simulator;
    world.settings = { ...world.settings, version: "3.4.6.2105" };
  };

  it("is asked for none: a plan says so, nothing is made, and machines that exist go on", async () => {
    const { world } = bench.simulator;
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
