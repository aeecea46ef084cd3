import { expect, it } from "vitest";
import { managerBench } from "./command-line.ts";

const bench = managerBench();
const { said, tbuild } = bench;

it.each(["ssh", "rest"] as const)(
  "tbuild clone makes machines of a Manager's own template over %s, once, and destroys them with nothing left",
  async (via) => {
    await bench.site(bench.manager(via, "  guestSeconds: 0\n"));
    const { world } = bench.simulator;
    const before = world.inventory();
    const clone = ["clone", "place:OVM_OL6", "--name", "vm[001-002]", "--nic", "public", "--disk", "u01=2G"];
    expect(await tbuild(...clone, "--plan"), said.all).toBe(0);
    expect(world.inventory()).toEqual(before);
    said.all = "";
    expect(await tbuild(...clone, "--yes"), said.all).toBe(0);
    const lines = said.all.match(/^\d\d:\d\d:\d\d .*$/gm)?.map((line) => line.slice(9));
    expect(lines?.sort()).toEqual([
      ...["vm001-u01: made", "vm001: made, started", "vm002-u01: made", "vm002: made, started"],
    ]);
    const machines = world.all("Vm").filter(({ name }) => name.startsWith("vm00"));
    expect(machines.map(({ name, is }) => [name, is.state])).toEqual([
      ["vm001", "RUNNING"],
      ["vm002", "RUNNING"],
    ]);
    const after = world.inventory();
    said.all = "";
    expect(await tbuild(...clone, "--yes"), said.all).toBe(0);
    expect(world.inventory()).toEqual(after);
    expect(await tbuild(...clone, "--destroy", "--yes"), said.all).toBe(0);
    expect(world.inventory()).toEqual(before);
    expect(said.all).not.toContain("Welcome1");
  },
  60_000,
);
