import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const kills = Number(process.env.TBUILD_KILLS ?? 2);
const seed = Number(process.env.TBUILD_KILL_SEED ?? 20261129);

const deployment = `name: rac
template: place:OVM_OL6
shared: [{ name: asm1, size: 1G }, { name: asm2, size: 1G }]
machines:
  - name: rac[1-2]
    memory: 1G
    nics: [{ network: public }, { network: private }]
    disks: [{ name: u01, size: 2G }]
    shared: [asm1, asm2]
values: { com.oracle.linux.network.hostname: "{name}", com.oracle.linux.root-password: "none of ours" }
apart: [[rac1, rac2]]
firstBoot: { confirm: none, wait: 0 }
`;

const ways = [
  { release: "3.2", version: "3.2.11.775", via: "ssh" },
  { release: "3.3", version: "3.3.4.1094", via: "ssh" },
  { release: "3.4", version: "3.4.5.1919", via: "ssh" },
  { release: "3.3", version: "3.3.4.1094", via: "rest" },
  { release: "3.4", version: "3.4.5.1919", via: "rest" },
] as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-kills-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe(`tbuild deploy that is killed at ${kills} requests, by random (seed ${seed})`, () => {
  for (const [index, { release, version, via }] of ways.entries()) {
    const rounds = Math.ceil((kills - index) / ways.length);
    it(
      `is finished by the next run, on ${release} over ${via}: nothing is made twice, and nothing is orphaned`,
      async () => {
        const random = seeded(seed + index);
        let onRequest = () => {};
        await using simulator = await startSimulator({
          settings: { version, jobMs: 5 },
          host: localHost(),
          onCommand: () => onRequest(),
        });
        await writeSite(simulator, via);
        const { world } = simulator;
        // A clone gets a vnic of the template, which the deployment replaces.
        const [template] = world.all("Vm");
        const [network] = world.all("Network");
        world.add("Vnic", "template", { vm: template?.id, network: network?.id, mac: "00:21:f6:00:00:01" });
        const before = shapeOf(world.inventory());
        /** Runs; killed by SIGKILL as soon as the n-th request has arrived. */
        const deploy = async (args: readonly string[], killAt = Number.POSITIVE_INFINITY) => {
          let count = 0;
          const child = spawn(
            process.execPath,
            [
              main,
              "--home",
              join(folder, "home"),
              "--site",
              join(folder, "site.yaml"),
              "deploy",
              join(folder, "rac.yaml"),
              "--yes",
              ...args,
            ],
            { cwd: folder, stdio: "pipe" },
          );
          let said = "";
          for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
          onRequest = () => {
            if (++count === killAt) child.kill("SIGKILL");
          };
          const code = await new Promise<number | null>((done) => child.once("close", done));
          // The Manager goes on with what it has begun.
          await Promise.all([...world.jobs.values()].map(({ ended }) => ended));
          return { code, count, said };
        };
        // Everything is sent, and no guest reports: code 6.
        const finished = await deploy([]);
        expect(finished.code, finished.said).toBe(6);
        const whole = shapeOf(world.inventory());
        const destroyed = await deploy(["--destroy"]);
        expect(destroyed.code, destroyed.said).toBe(0);
        expect(shapeOf(world.inventory())).toEqual(before);
        for (let round = 0; round < rounds; round++) {
          const killAt = 1 + random(finished.count);
          await deploy([], killAt);
          const where = `killed at ${killAt} of ${finished.count}`;
          if (round % 3 !== 2) {
            const next = await deploy([]);
            expect([0, 6], `${where}\n${next.said}`).toContain(next.code);
            expect(shapeOf(world.inventory()), where).toEqual(whole);
          }
          const endAt = 1 + random(destroyed.count);
          await deploy(["--destroy"], endAt);
          const end = await deploy(["--destroy"]);
          expect(end.code, `${where}, then at ${endAt}\n${end.said}`).toBe(0);
          expect(shapeOf(world.inventory()), `${where}, then at ${endAt}`).toEqual(before);
          expect(await readdir(join(folder, "home/deployments/states"))).toEqual([]);
        }
      },
      120_000 + rounds * 120_000,
    );
  }
});

async function writeSite({ cli, rest, hostKey }: Simulator, via: "ssh" | "rest"): Promise<void> {
  await writeFile(join(folder, "rac.yaml"), deployment);
  await writeFile(join(folder, "password"), "Welcome1\n");
  const port = via === "ssh" ? cli.port : rest?.port;
  const identity = via === "ssh" ? `hostKey: "${hostKey}"` : `certificate: "${rest?.fingerprint}"`;
  await writeFile(
    join(folder, "site.yaml"),
    `manager: { host: 127.0.0.1, via: ${via}, port: ${port}, ${identity}, password: { file: ${join(folder, "password")} }, repository: repo1, guestSeconds: 0 }\n`,
  );
}

/** The inventory without values that differ each time: IDs, marks, and the MACs that derive from a mark. */
function shapeOf(inventory: readonly string[]): string[] {
  return inventory
    .map((line) =>
      line
        .replace(/0004fb[0-9a-f]{26}/g, "ID")
        .replace(/\b[0-9a-f]{12}\b/g, "MARK")
        .replace(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, "MAC")
        // A Manager's names for the copies of a disk depend on earlier ones.
        .replace(/System \(OVM_OL6\) \([^)]*\)/g, "copy of System"),
    )
    .sort();
}

/** Whole numbers below a bound; the same each time (mulberry32). */
function seeded(start: number): (below: number) => number {
  let a = start;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}
