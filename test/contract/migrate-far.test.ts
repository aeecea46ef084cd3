import { mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { type Dom0, dom0Needs, startDom0 } from "../dom0.ts";
import { describeWith, missing } from "../fakes/missing.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const lacking = missing(...dom0Needs, "qemu-img");

describe.skipIf(lacking)(`a machine on another server${lacking ? ` (${lacking})` : ""}`, () => {
  let dom0: Dom0;
  let repository: string;
  beforeAll(async () => {
    dom0 = await startDom0();
    repository = join(dom0.folder, "R");
    await mkdir(join(repository, "VirtualMachines/0004fb"), { recursive: true });
    await mkdir(join(repository, "VirtualDisks"));
    await writeFile(join(repository, "VirtualDisks/a.img"), "x".repeat(4096));
    await truncate(join(repository, "VirtualDisks/a.img"), 1 << 20);
    await writeFile(
      join(repository, "VirtualMachines/0004fb/vm.cfg"),
      "OVM_simple_name = 'far'\nOVM_domain_type = 'xen_hvm'\nmemory = 64\ndisk = ['file:/OVS/Repositories/R/VirtualDisks/a.img,xvda,w']\n",
    );
  });
  afterAll(async () => dom0?.[Symbol.asyncDispose]());

  const tbuild = (source: string, ...args: string[]) =>
    localHost().run(
      [
        process.execPath,
        main,
        "migrate",
        `dom0:${source}`,
        "--to",
        "libvirt",
        "--ssh-config",
        dom0.sshConfig,
        ...args,
      ],
      { allow: [1, 2, 3, 6] },
    );

  it("is read with its disks, by its vm.cfg or its folder, and paths are as the user wrote them", async () => {
    const out = join(dom0.folder, "out");
    const config = join(repository, "VirtualMachines/0004fb/vm.cfg");
    const { stdout, stderr } = await tbuild(config, "--stopped", "--out", out, "--json");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({ written: true, name: "far", disks: [{ bytes: 1 << 20 }] });
    expect(`${stdout}${stderr}`).not.toContain("tbuild-sshfs");
    expect((await readdir(join(out, "far"))).sort()).toEqual(["SHA256SUMS", "a.qcow2", "far.xml"]);
    const compared = [
      "qemu-img",
      "compare",
      join(out, "far/a.qcow2"),
      join(repository, "VirtualDisks/a.img"),
    ];
    expect((await localHost().run(compared)).stdout).toContain("identical");
    const plan = await tbuild(join(repository, "VirtualMachines/0004fb"), "--stopped", "--plan");
    expect(plan.stdout).toContain("stopped elsewhere, as you said");
  });

  it("that runs there, or may run there, is refused", async () => {
    const folder = join(repository, "VirtualMachines/0004fb");
    expect((await tbuild(folder, "--plan")).stderr).toContain("--stopped");
    await dom0.run(`sleep 60 3<> ${repository}/VirtualDisks/a.img > /dev/null 2>&1 & echo started`);
    const used = await tbuild(folder, "--plan", "--stopped");
    expect([used.exitCode, used.stderr]).toEqual([3, expect.stringContaining("runs: a disk is in use")]);
  });
});

// dom0's files are this machine's, through a file system that does not tell its holes.
describeWith(
  ["ssh", "sshfs", "/usr/sbin/sshd", "python3", "qemu-img", "root"],
  "a large disk on another server",
  () => {
    it("is read without its holes", async () => {
      const folder = await mkdtemp(join(tmpdir(), "tbuild-far-"));
      try {
        const sshConfig = await sshd(folder);
        const image = join(folder, "large.img");
        // Reading all of it would take hours.
        const disk = await open(image, "w");
        await disk.write("first", 0);
        await disk.write("second", 3 << 30);
        await disk.truncate(2 ** 40);
        await disk.close();
        const config = join(folder, "vm.cfg");
        await writeFile(
          config,
          `OVM_simple_name = 'large'\nOVM_domain_type = 'xen_hvm'\nmemory = 64\ndisk = ['file:${image},xvda,w']\n`,
        );
        const argv = ["migrate", `far:${config}`, "--to", "libvirt", "--ssh-config", sshConfig, "--stopped"];
        const out = join(folder, "out");
        await localHost().run([process.execPath, main, ...argv, "--out", out], { allow: [1, 6] });
        const compared = ["qemu-img", "compare", join(out, "large/large.qcow2"), image];
        expect((await localHost().run(compared)).stdout).toContain("identical");
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  },
);

/** The configuration of ssh for a real sshd, started for each connection as inetd would. The server is called `far`. */
async function sshd(folder: string): Promise<string> {
  await mkdir("/run/sshd", { recursive: true });
  const [key, hostKey] = [join(folder, "key"), join(folder, "host-key")];
  for (const file of [key, hostKey])
    await localHost().run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file]);
  const server = join(folder, "sshd_config");
  const login = ["PermitRootLogin yes", "StrictModes no", "UsePAM no", "LogLevel QUIET", "PidFile none"];
  const files = [`HostKey ${hostKey}`, `AuthorizedKeysFile ${key}.pub`, "Subsystem sftp internal-sftp"];
  await writeFile(server, [...files, ...login, ""].join("\n"));
  const client = join(folder, "ssh_config");
  const unknown = ["StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "LogLevel ERROR"];
  await writeFile(
    client,
    [
      "Host far",
      "User root",
      `IdentityFile ${key}`,
      `ProxyCommand /usr/sbin/sshd -i -f ${server}`,
      ...unknown,
      "",
    ].join("\n"),
  );
  return client;
}
