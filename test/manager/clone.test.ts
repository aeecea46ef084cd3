import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { run } from "../../src/cli/run.ts";
import { localHost } from "../../src/host/local.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { captured } from "../fakes/captured.ts";

const said = captured();
let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-clone-"));
  simulator = await startSimulator({ host: localHost(), settings: { version: "3.4.5.1919" } });
});
afterEach(async () => {
  process.exitCode = undefined;
  await simulator[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function tbuild(...args: string[]): Promise<number> {
  process.exitCode = undefined;
  return run(["--home", join(folder, "home"), "--site", join(folder, "site.yaml"), ...args]);
}

it.each(["ssh", "rest"] as const)(
  "tbuild clone makes machines of a Manager's own template over %s, once, and destroys them with nothing left",
  async (via) => {
    const { cli, rest, hostKey, world } = simulator;
    await writeFile(join(folder, "password"), "Welcome1\n");
    await writeFile(
      join(folder, "site.yaml"),
      `manager:
  host: 127.0.0.1
  via: ${via}
  port: ${via === "ssh" ? cli.port : rest?.port}
  password: { file: ${join(folder, "password")} }
  hostKey: ${hostKey}
  certificate: "${rest?.fingerprint}"
  repository: repo1
  guestSeconds: 0
`,
    );
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
