import { spawn } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { localHost } from "../../src/host/local.ts";
import type { ManagerObject } from "../../src/manager/simulator/manager-object.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { type Dom0, dom0Needs, startDom0 } from "../dom0.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, xfsDisk } from "../guest-image.ts";
import { sha256Of } from "./dirty-image.ts";
import { convertible, filesAt, traces } from "./disks-on-server.ts";

const lacking = missing(...dom0Needs, "mke2fs", "mkfs.xfs", "mount", "loop");
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

// The Manager is simulated. Its disks are files on a server that is reached over ssh and has kpartx.
const few = [["ext4", "ssh", "3.4.5.1919", "pvm", "XEN_PVM"]] as const;
/** With TBUILD_SLOW=1: the other interfaces and file systems. */
const many = [
  ["xfs", "ssh", "3.2.11.775", "pvhvm", "XEN_HVM_PV_DRIVERS"],
  ["xfs", "rest", "3.4.6.2105", "pvhvm", "XEN_HVM_PV_DRIVERS"],
  ["ext4", "rest", "3.4.5.1919", undefined, "XEN_HVM"],
] as const;

describe.skipIf(lacking !== undefined)(
  `tbuild manager template, on a server over ssh${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let dom0: Dom0;
    beforeAll(async () => {
      dom0 = await startDom0();
    });
    afterAll(async () => dom0?.[Symbol.asyncDispose]());

    it.each(process.env.TBUILD_SLOW === "1" ? [...few, ...many] : few)(
      "makes a template of a guest on %s over %s (%s, %s): the clone's disk is changed there by kpartx, the machine's is not",
      async (fs, via, version, mode, domainType) => {
        await using bench = await started(fs, via, version);
        const { simulator, tbuild, fileOf, machine, disk } = bench;
        const { world } = simulator;
        const before = world.inventory();
        const digest = await sha256Of(fileOf(disk));
        const wanted = ["--name", "ol6-base", ...(mode ? ["--to", mode] : [])];
        const plan = await tbuild("manager", "template", "build1", ...wanted, "--plan");
        expect(plan, plan.said).toMatchObject({ code: 0 });
        expect(plan.said).toContain(
          "build1 would be cloned as the template ol6-base, and the clone's disk changed by kpartx",
        );
        expect(plan.said).toContain("first-boot: /etc/sysconfig/ovmd");
        expect(world.inventory()).toEqual(before);

        const made = await tbuild(
          "manager",
          "template",
          "build1",
          ...wanted,
          "--description",
          "ol6-base@1.0.0",
        );
        expect(made, made.said).toMatchObject({ code: 0 });
        expect(made.said).toContain("by kpartx, at root@dom0:");
        const template = world.get("Vm", { name: "ol6-base" });
        expect(template).toMatchObject({
          description: "ol6-base@1.0.0",
          is: { state: "TEMPLATE", domainType, bootOrder: "DISK" },
        });
        const [mapping, ...others] = world.all("VmDiskMapping").filter(({ is }) => is.vm === template.id);
        expect(others).toEqual([]);
        const copy = world.get("VirtualDisk", { id: String(mapping?.is.virtualDisk) });
        await dom0.run("sync");
        const check = await tbuild("seal", "--check", "--ssh-config", dom0.sshConfig, `dom0:${fileOf(copy)}`);
        expect(check.said).toContain("nothing is pending");

        expect(await sha256Of(fileOf(disk))).toBe(digest);
        expect(world.objects.get(machine.id)).toBe(machine);
        expect((await readdir(dirname(fileOf(disk)))).sort()).toEqual([copy.id, disk.id].sort());
        expect(await traces(dom0)).toBe("");
        const again = await tbuild("manager", "template", "build1", ...wanted);
        expect(again).toMatchObject({ code: 3 });
        expect(again.said).toContain("a machine or template of this name exists");
      },
      900_000,
    );

    it("is made by the next run when one was killed, and nothing else is left", async () => {
      await using bench = await started("xfs", "ssh", "3.4.5.1919");
      const { simulator, tbuild, fileOf, disk } = bench;
      const { world } = simulator;
      const wanted = ["manager", "template", "build1", "--name", "ol6-base"];
      await tbuild.killed(wanted, async () => (await traces(dom0)).includes("tbuild-mount"));
      await vi.waitFor(async () => expect(await traces(dom0)).toBe(""), { timeout: 60_000, interval: 100 });
      expect(world.all("Vm").map(({ name }) => name)).toContain("ol6-base.tbuild-unfinished");
      const next = await tbuild(...wanted);
      expect(next, next.said).toMatchObject({ code: 0 });
      expect(
        world
          .all("Vm")
          .map(({ name }) => name)
          .sort(),
      ).toEqual(["build1", "ol6-base"]);
      const disks = world.all("VirtualDisk").map(({ id }) => id);
      expect(disks).toHaveLength(2);
      const files = await readdir(dirname(fileOf(disk)));
      expect(files.sort()).toEqual(disks.sort());
    }, 900_000);

    async function started(fs: "xfs" | "ext4", via: "ssh" | "rest", version: string) {
      const folder = join(dom0.folder, `${fs} ${via} ${version}`);
      const repositories = join(folder, "repositories");
      const fileOf = ({ id, is }: ManagerObject) =>
        join(repositories, String(is.repository), "VirtualDisks", id);
      const simulator = await startSimulator({
        settings: { version },
        host: localHost(),
        backing: filesAt(fileOf),
      });
      const { world } = simulator;
      const repository = world.get("Repository", { name: "repo1" }).id;
      await mkdir(join(repositories, repository, "VirtualDisks"), { recursive: true });
      const machine = world.add("Vm", "build1", {
        ...{ state: "STOPPED", domainType: "XEN_HVM", memoryMib: 1024, vcpus: 1, osType: "Oracle Linux 6" },
        ...{ bootOrder: "CDROM,DISK", pool: world.get("ServerPool", { name: "pool1" }).id, repository },
      });
      const disk = world.add("VirtualDisk", "build1 system", {
        bytes: 2 ** 29,
        isShareable: false,
        repository,
      });
      const disc = world.add("VirtualCdrom", "OL6.iso", { repository });
      world.add("VmDiskMapping", "system", { vm: machine.id, slot: 0, virtualDisk: disk.id });
      world.add("VmDiskMapping", "disc", { vm: machine.id, slot: 1, cdrom: disc.id });
      await (fs === "xfs" ? xfsDisk : extDisk)(fileOf(disk), convertible);
      await writeFile(join(folder, "password"), "Welcome1\n");
      const reached = via === "ssh" ? simulator.cli : simulator.rest;
      await writeFile(
        join(folder, "site.yaml"),
        `manager:
  { host: 127.0.0.1, via: ${via}, port: ${reached?.port}, hostKey: "${simulator.hostKey}", password: { file: "${folder}/password" }, repository: repo1${simulator.rest ? `, certificate: "${simulator.rest.fingerprint}"` : ""} }
hypervisor:
  kind: oracle-vm
  servers: { ovs1: root@dom0 }
  sshConfig: "${dom0.sshConfig}"
  repositories: "${repositories}"
  networks: { build: public }
  addresses: { first: 10.0.7.200, gateway: 10.0.7.1, nameServer: 10.0.7.1 }
`,
      );
      return {
        ...{ simulator, fileOf, machine, disk, tbuild: runner(folder) },
        async [Symbol.asyncDispose]() {
          await simulator[Symbol.asyncDispose]();
          await rm(folder, { recursive: true });
        },
      };
    }
  },
);

function runner(folder: string) {
  const start = (args: readonly string[]) => {
    const child = spawn(
      process.execPath,
      [main, "--home", join(folder, "home"), "--site", join(folder, "site.yaml"), ...args],
      { cwd: folder, stdio: "pipe" },
    );
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    const ended = new Promise<{ code: number | null; said: string }>((done) =>
      child.once("close", (code) => done({ code, said })),
    );
    return { child, ended };
  };
  return Object.assign((...args: string[]) => start(args).ended, {
    /** Kills it as soon as something is so. */
    async killed(args: readonly string[], when: () => Promise<boolean>) {
      const { child, ended } = start(args);
      let isOver = false;
      const over = ended.finally(() => {
        isOver = true;
      });
      while (!isOver && !(await when())) await new Promise((done) => setTimeout(done, 20));
      child.kill("SIGKILL");
      expect((await over).code).toBe(null);
    },
  });
}
