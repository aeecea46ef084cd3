import { once } from "node:events";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BuildEvent } from "../../src/build/event.ts";
import type { VmSeen } from "../../src/manager/api.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { fakeServer, mountRepositories, qemuForGuestsAt } from "../fakes/oracle-vm-server.ts";
import { machinesRunning, makeTbuild, repository, type Tbuild } from "./tbuild.ts";

const isSlow = process.env.TBUILD_SLOW === "1";
const title = "a build on Oracle VM";
const path = process.env.PATH;

let folder: string;
let tbuild: Tbuild;

// The Manager is simulated, its machines are qemu's, and programs simulate the servers' view of them.
describe.runIf(isSlow)(isSlow ? title : `${title} (TBUILD_SLOW=1 runs it)`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-oracle-vm-build-"));
    for (const name of ["recipes", "kickstart"])
      await cp(join(repository, name), join(folder, name), { recursive: true });
    tbuild = await makeTbuild("oracle-vm-build", join(folder, "recipes"));
    const programs = await fakeServer(join(folder, "programs"), join(tbuild.home, "simulator/machines"));
    await qemuForGuestsAt(programs, ["10.0.2.16"]);
    process.env.PATH = [programs, path].join(delimiter);
  });
  afterAll(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });

  it("runs from the medium to a tried template, with kills in four steps, and leaves nothing else there", async () => {
    const file = async (name: string, content: string) => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    const qemu = await file("qemu.yaml", "hypervisor: { kind: qemu, accelerator: tcg }\n");
    const simulator = tbuild.start("--site", qemu, "manager", "simulate", "--back-with", "qemu", "--json");
    let log = "";
    simulator.stderr?.on("data", (text) => {
      log += text;
    });
    try {
      const [line] = (await once(createInterface(simulator.stdout as Readable), "line")) as [string];
      const { cli } = JSON.parse(line) as { cli: { port: number; hostKey: string } };
      const password = await file("manager-password", "Welcome1\n");
      const manager = `manager:
  { host: 127.0.0.1, port: ${cli.port}, hostKey: "${cli.hostKey}", password: { file: ${password} }, repository: repo1 }
`;
      const bare = await file("manager.yaml", manager);
      const data = join(tbuild.home, "simulator/data/disks");
      const run = async (site: string, ...args: string[]) => {
        const { code, stdout, stderr } = await tbuild.run("--site", site, ...args);
        expect(code, `${stderr}\n${stdout.split("\n").slice(-20).join("\n")}\n${log.slice(-3000)}`).toBe(0);
        return stdout;
      };
      const inventory = async () => ({
        vms: JSON.parse(await run(bare, "manager", "--json")).vms as VmSeen[],
        data: (await readdir(data)).sort(),
      });
      const { repositories } = JSON.parse(await run(bare, "manager", "--json")) as {
        repositories: { id: string }[];
      };
      await mountRepositories(
        join(folder, "repositories"),
        data,
        repositories.map(({ id }) => id),
      );
      const site = await file(
        "site.yaml",
        `${manager}hypervisor:
  kind: oracle-vm
  servers: { ovs1: root@ovs1, ovs2: root@ovs2 }
  repositories: ${join(folder, "repositories")}
  networks: { build: public, private: private }
  addresses: { first: 10.0.2.15, gateway: 10.0.2.2, nameServer: 10.0.2.3, loopback: 10.0.2.2 }
  additions: [tbuild]
  patience: 3
`,
      );
      const build = ["--site", site, "recipe", "ol6-base", "--rehearse", "--json"];
      /** Kills a build at an event, and returns its finished steps. */
      const killed = async (at: (event: BuildEvent) => boolean) => {
        const run = tbuild.start(...build);
        const done: string[] = [];
        for await (const text of createInterface(run.stdout as Readable)) {
          const event = JSON.parse(text) as BuildEvent;
          if (event.type === "step-finished") done.push(event.step);
          if (at(event)) run.kill("SIGKILL");
        }
        const { code, stderr } = await run.ended;
        expect(code, stderr).toBe(null);
        return done;
      };
      const progress = (step: string, text: RegExp) => (event: BuildEvent) =>
        event.type === "progress" && event.step === step && text.test(event.text);

      const before = await inventory();
      expect(before.vms).toEqual([]);
      expect(await killed(progress("install-guest", /install|package/i))).not.toContain("install-guest");
      expect(await killed(progress("provision-guest", /reading packages/))).toContain("install-guest");
      expect(await killed(progress("boot-trial", /configur/))).toContain("seal-image");
      expect(await killed(progress("place-template", /copying/))).toContain("publish-template");
      const events = (await run(site, ...build.slice(2)))
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text));
      const { manifest } = events.at(-1) as { manifest: Manifest };
      expect(manifest.trial?.join("\n")).toContain("2 clones share no");

      const { vms, data: files } = await inventory();
      expect(vms).toMatchObject([
        {
          name: "ol6-base-rehearsal-1.0.0",
          description: expect.stringMatching(/^ol6-base-rehearsal@1\.0\.0 tbuild-[0-9a-f]{16}$/),
          isTemplate: true,
          domainType: "XEN_PVM",
          memoryMib: 1024,
          vcpus: 1,
        },
      ]);
      expect([vms[0]?.mappings.length, vms[0]?.vnics.length, files.length]).toEqual([1, 1, 1]);
      const plan = await run(bare, "clone", "ol6-base-rehearsal", "--name", "vm001", "--plan");
      expect(plan).toContain("vm001");
      const again = await run(site, ...build.slice(2));
      expect(again).not.toContain('"step-started"');
      expect(await readdir(join(tbuild.home, "machines"))).toEqual([]);
      for (const { id } of repositories)
        expect(await readdir(join(folder, "repositories", id))).toEqual(["VirtualDisks"]);
    } finally {
      simulator.kill("SIGINT");
      await simulator.ended;
    }
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  }, 3_600_000);
});
