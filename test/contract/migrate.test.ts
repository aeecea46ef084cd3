import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { bootableGuest, bootInQemu, cloudKernel } from "../bootable/guest.ts";
import { itWith, missing } from "../fakes/missing.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const lacking =
  missing(
    ...["mke2fs", "debugfs", "depmod", "busybox", "grub-mkimage", "qemu-system-x86_64", "qemu-img"],
    ...["qemu-storage-daemon", "python3", "virt-xml-validate"],
  ) ?? ((await cloudKernel()) === undefined ? "needs Debian's linux-image-cloud-amd64" : undefined);

describe.skipIf(lacking)(`a machine that leaves Oracle VM${lacking ? ` (${lacking})` : ""}`, () => {
  let folder: string;
  let machine: string;
  let before: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-migrate-"));
    machine = join(folder, "R/VirtualMachines/0004fb");
    await mkdir(machine, { recursive: true });
    await mkdir(join(folder, "R/VirtualDisks"));
    await bootableGuest(join(folder, "R/VirtualDisks/sys.img"), "el6", "one partition");
    await bootableGuest(join(folder, "R/VirtualDisks/bare.img"), "el6", "bare");
    const data = await open(join(folder, "R/VirtualDisks/data.img"), "w");
    await data.truncate(64 << 20);
    await data.write("data", 5 << 20);
    await data.close();
    await describeMachine("sys.img");
    before = await digestOf(join(folder, "R/VirtualDisks/sys.img"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const describeMachine = (boot: string) =>
    writeFile(
      join(machine, "vm.cfg"),
      `OVM_simple_name = 'db 1'\nOVM_domain_type = 'xen_pvm'\nmemory = 384\nvcpus = 1\nvncpasswd = 'geheim'\n` +
        `disk = ['file:/OVS/Repositories/R/VirtualDisks/${boot},xvda,w', 'file:/OVS/Repositories/R/VirtualDisks/data.img,xvdb,w', 'phy:/dev/mapper/lun1,xvdc,w']\n` +
        `vif = ['mac=00:21:f6:00:00:01,bridge=10a2']\n`,
    );
  const digestOf = async (file: string) =>
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
  const tbuild = async (...args: string[]) => {
    const argv = [process.execPath, main, "migrate", machine, ...args];
    const { stdout, stderr, exitCode } = await host.run(argv, { allow: [1, 2, 3, 5, 6] });
    return { stdout, stderr, exitCode };
  };

  it.each([
    ["from a disk with partitions", "sys.img", "vda1"],
    ["from a bare file system, which gets a partition table", "bare.img", "vda1"],
  ])(
    "boots under KVM, with its name, MAC and disks, and the original is unchanged: %s",
    async (_, boot, root) => {
      await describeMachine(boot);
      const out = join(folder, `out-${boot}`);
      const { stdout, stderr, exitCode } = await tbuild(
        "--to",
        "libvirt",
        "--stopped",
        "--out",
        out,
        "--json",
      );
      // It exits 1 because the LUN is left out.
      expect(exitCode, stderr).toBe(1);
      const said = JSON.parse(stdout);
      expect(said).toMatchObject({
        written: true,
        devices: "virtio",
        guest: { fitness: { verdict: "fit" } },
      });
      expect(said.leftOut).toMatchObject([{ what: "xvdc, /dev/mapper/lun1" }]);
      expect(stdout).not.toContain("geheim");
      const xml = join(out, "db-1/db-1.xml");
      await host.run(["virt-xml-validate", xml, "domain"]);
      expect(await readFile(xml, "utf8")).toMatch(/<title>db 1<[\s\S]*00:21:f6:00:00:01/);
      await host.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], { cwd: join(out, "db-1") });
      await host.run([
        "qemu-img",
        "compare",
        join(out, "db-1/data.qcow2"),
        join(folder, "R/VirtualDisks/data.img"),
      ]);
      const raw = join(folder, "boots.img");
      await host.run([
        "qemu-img",
        "convert",
        "-O",
        "raw",
        join(out, `db-1/${boot.replace("img", "qcow2")}`),
        raw,
      ]);
      expect(await bootInQemu(raw, "virtio")).toContain(`GUEST-RUNS on /dev/${root} `);
      await describeMachine("sys.img");
      expect(await digestOf(join(folder, "R/VirtualDisks/sys.img"))).toBe(before);
    },
  );

  it.each(["olvm-ova", "xva", "proxmox"])("is written as %s, and is not overwritten", async (format) => {
    const out = join(folder, format);
    const { stdout, exitCode, stderr } = await tbuild("--to", format, "--stopped", "--out", out);
    expect(exitCode, stderr).toBe(1);
    expect(stdout).toMatch(/left out:\n +xvdc, \/dev\/mapper\/lun1/);
    expect((await readdir(out)).filter((name) => name.includes("part"))).toEqual([]);
    const again = await tbuild("--to", format, "--stopped", "--out", out);
    expect([again.exitCode, again.stderr]).toEqual([2, expect.stringContaining("tbuild overwrites nothing")]);
  });

  itWith(
    ["sgdisk", "mcopy", "mkfs.fat", "/usr/lib/grub/x86_64-efi/moddep.lst"],
    "gets UEFI where its disk boots by nothing else",
    async () => {
      const [image, out] = [join(folder, "uefi.img"), join(folder, "out-uefi")];
      await bootableGuest(image, "el7", "UEFI");
      const argv = [process.execPath, main, "migrate", image, "--to", "libvirt", "--out", out, "--json"];
      const { stdout } = await host.run(argv);
      expect(JSON.parse(stdout)).toMatchObject({
        firmware: "uefi",
        guest: { fitness: { verdict: "fit" } },
      });
      const xml = join(out, "uefi/uefi.xml");
      await host.run(["virt-xml-validate", xml, "domain"]);
      expect(await readFile(xml, "utf8")).toContain('<os firmware="efi">');
    },
  );

  it("is refused if it runs, or if that is unknown", async () => {
    const unknown = await tbuild("--to", "libvirt", "--plan");
    expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining("--stopped")]);
    const user = await open(join(folder, "R/VirtualDisks/data.img"), "r+");
    const holder = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", user.fd] });
    await user.close();
    try {
      await sleep(200);
      const used = await tbuild("--to", "libvirt", "--stopped");
      expect([used.exitCode, used.stderr]).toEqual([
        3,
        expect.stringContaining("runs: a disk is in use, by sleep"),
      ]);
    } finally {
      holder.kill();
    }
  });

  it("leaves nothing after an interruption, and says so", async () => {
    const big = join(folder, "R/VirtualDisks/big.img");
    await host.run(["cp", join(folder, "R/VirtualDisks/sys.img"), big]);
    await host.run(["sh", "-c", 'head -c 700000000 /dev/urandom >> "$1"', "sh", big]);
    await describeMachine("big.img");
    const out = join(folder, "cut");
    const child = spawn(process.execPath, [
      main,
      "migrate",
      machine,
      "--to",
      "libvirt",
      "--stopped",
      "--out",
      out,
    ]);
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
    });
    for (
      let tries = 0;
      tries < 600 && !(await readdir(out).catch(() => [])).some((name) => name.startsWith(".tbuild-part-"));
      tries++
    )
      await sleep(100);
    await sleep(300);
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    expect(code).toBe(130);
    expect(said).toContain("interrupted; the partial output was removed");
    expect(await readdir(out)).toEqual([]);
    await rm(big);
    await describeMachine("sys.img");
  });
});
