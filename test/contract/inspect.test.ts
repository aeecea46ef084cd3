import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FitnessTarget } from "../../src/choices.ts";
import { inspectGuest } from "../../src/guest/inspect.ts";
import { scanFolder } from "../../src/guest/scan.ts";
import { Survey } from "../../src/guest/survey.ts";
import { localHost } from "../../src/host/local.ts";
import { imageFacts, openImageFile } from "../../src/image/open.ts";
import { itWith, missing } from "../fakes/missing.ts";
import { emptyDisk, extDisk, type GuestFiles, ol6Guest, xfsDisk } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";

const host = localHost();
const lacking = missing("mke2fs", "qemu-img");
const skipped = lacking ? ` — skipped: ${lacking}` : "";

const withFiles = (files: GuestFiles["files"]): GuestFiles => ({
  ...ol6Guest,
  files: { ...ol6Guest.files, ...files },
});
const machine = withFiles({
  "/boot/vmlinuz-2.6.39-400.el6uek": "kernel",
  "/boot/initramfs-2.6.39-400.el6uek.img": "",
  "/boot/vmlinuz-2.6.32-754.el6": "kernel",
  "/boot/grub/grub.conf": "default=0\ntitle Oracle UEK\n\troot (hd0,0)\ntitle Oracle Red Hat Kernel\n",
  "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
  "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=00:21:F6:00:00:01\nIPADDR=192.168.1.9\n",
  "/etc/template.d/scripts/grid":
    "#!/usr/bin/python\n### BEGIN PLUGIN INFO\n# name: grid\n# configure: 91\n# description: d\n### END PLUGIN INFO\n",
});
const armed = withFiles({
  "/etc/sysconfig/ovmd": "INITIAL_CONFIG=yes\n",
  "/etc/sysconfig/network": "NETWORKING=yes\n",
});

describe.skipIf(lacking !== undefined)(`looking at images${skipped}`, () => {
  let folder: string;
  let image: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-inspect-"));
    image = join(folder, "machine.img");
    await extDisk(image, machine);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("shows release, kernels, boot loader, modules, what is missing to be armed, and the identity", async () => {
    await using opened = await openImageFile(host, image, { readOnly: true });
    const survey = await inspectGuest(new Survey(opened.tree, opened.volumes));
    expect(survey).toMatchObject({
      release: { name: "Oracle Linux Server release 6.10", major: 6, update: 10 },
      kernels: [
        { version: "2.6.32-754.el6", hasInitramfs: false },
        { version: "2.6.39-400.el6uek", hasInitramfs: true },
      ],
      bootLoader: { kind: "GRUB legacy", entries: ["Oracle UEK", "Oracle Red Hat Kernel"] },
      modules: ["grid"],
      toArm: expect.arrayContaining(["/etc/sysconfig/ovmd"]),
      identity: { hostname: "master1", addresses: ["192.168.1.9"], macs: ["00:21:f6:00:00:01"] },
      unknown: ["packages: there is no rpm database"],
    });
    expect(survey.fitness).toContain("PVM needs");
  });

  it("changes nothing, not even a pending journal", async () => {
    const before = await readFile(image);
    await using opened = await openImageFile(host, image, { readOnly: true });
    await inspectGuest(new Survey(opened.tree, opened.volumes));
    expect((await readFile(image)).equals(before)).toBe(true);
  });

  it("scans a repository: one answer for each image of any kind", async () => {
    const repository = join(folder, "repo");
    const disks = join(repository, "VirtualDisks");
    await mkdir(disks, { recursive: true });
    await mkdir(join(repository, "Templates/0004fb14"), { recursive: true });
    await mkdir(join(repository, "VirtualMachines/0004fb06"), { recursive: true });
    await mkdir(join(repository, "ISOs"), { recursive: true });
    await writeFile(join(repository, "ISOs/disc.img"), "not looked at");
    const disk = (name: string) => join(disks, `${name}.img`);
    for (const name of ["vm", "forgotten", "dirty", "cut"]) await copyFile(image, disk(name));
    await extDisk(disk("armed"), armed);
    await emptyDisk(disk("data"), 4);
    await host.run(["debugfs", "-w", "-R", "feature needs_recovery", `${disk("dirty")}?offset=1048576`]);
    await truncate(disk("cut"), 20_000_000);
    await host.run(["qemu-img", "convert", "-O", "vmdk", disk("data"), join(disks, "foreign.vmdk")]);
    await host.run(["qemu-img", "convert", "-O", "qcow2", disk("armed"), join(disks, "armed.qcow2")]);
    const config = (name: string, file: string) =>
      `OVM_simple_name = '${name}'\ndisk = ['file:/OVS/Repositories/repo/VirtualDisks/${file}.img,xvda,w']\n`;
    await writeFile(join(repository, "Templates/0004fb14/vm.cfg"), config("ol6-forgotten", "forgotten"));
    await writeFile(join(repository, "VirtualMachines/0004fb06/vm.cfg"), config("db1", "vm"));
    // Files that a repair leaves beside an image, or that a killed repair left.
    await writeFile(`${disk("vm")}.tbuild-undo-1`, "");
    await mkdir(`${disk("vm")}.tbuild-work`);
    await copyFile(image, join(`${disk("vm")}.tbuild-work`, "raw.img"));
    await writeFile(join(disks, "packed.ova"), "");

    const seen: number[] = [];
    const found = await scanFolder(host, repository, { onEach: (done) => seen.push(done) });
    expect(Object.fromEntries(found.map(({ file, kind }) => [file.slice(disks.length + 1), kind]))).toEqual({
      "armed.img": "armed template",
      "armed.qcow2": "armed template",
      "cut.img": "unreadable",
      "data.img": "data disk",
      "dirty.img": "dirty",
      "foreign.vmdk": "unreadable",
      "forgotten.img": "unarmed template",
      "packed.ova": "packed template",
      "vm.img": "used VM",
    });
    expect(found.find(({ file }) => file === disk("forgotten"))).toMatchObject({
      owner: { kind: "template", name: "ol6-forgotten" },
      release: "Oracle Linux 6.10",
    });
    expect(found.find(({ file }) => file.endsWith("foreign.vmdk"))?.remarks.join()).toContain("VMDK");
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("checks each image of a repository with the vm.cfg that starts it", async () => {
    const repository = join(folder, "checked");
    const disk = (name: string) => join(repository, "VirtualDisks", `${name}.img`);
    await mkdir(join(repository, "VirtualDisks"), { recursive: true });
    for (const name of ["good", "behind", "alone"]) await copyFile(image, disk(name));
    const pv = "OVM_domain_type = 'xen_pvm'\nbootloader = '/usr/bin/pygrub'\n";
    const configs = {
      good: `${pv}disk = ['file:/OVS/Repositories/r/VirtualDisks/good.img,xvda,w']\n`,
      // It does not boot from a second disk.
      other: `${pv}disk = ['phy:/dev/mapper/1,xvda,w', 'file:/OVS/Repositories/r/VirtualDisks/alone.img,xvdb,w']\n`,
      behind: `${pv}disk = ['file:/OVS/x.iso,xvda:cdrom,r', 'file:/OVS/Repositories/r/VirtualDisks/behind.img,xvdb,w']\n`,
    };
    for (const [name, text] of Object.entries(configs)) {
      await mkdir(join(repository, "VirtualMachines", name), { recursive: true });
      await writeFile(join(repository, "VirtualMachines", name, "vm.cfg"), text);
    }
    const fitnesses = async (target: FitnessTarget) => {
      const found = await scanFolder(host, repository, { target });
      return Object.fromEntries(found.map(({ file, fitness }) => [basename(file, ".img"), fitness]));
    };
    const onXen = await fitnesses("xen-4.17");
    const ofConfig = (name: string) => onXen[name]?.findings.filter(({ about }) => about.endsWith("vm.cfg"));
    expect(ofConfig("good")).toEqual([]);
    expect(ofConfig("alone")).toEqual([]);
    expect(ofConfig("behind")).toContainEqual(
      expect.objectContaining({
        about: "VirtualMachines/behind/vm.cfg",
        weight: "unfit",
        why: "its first disk is /OVS/x.iso, and pygrub looks for the kernel only on that",
      }),
    );
    expect([onXen.good?.mode, onXen.behind?.verdict]).toEqual(["pvm", "unfit"]);
    // For its own domain type, if the target supports it.
    expect((await fitnesses("ovm-3.4.6")).good).toMatchObject({ mode: "pvm", verdict: "unfit" });
    expect((await fitnesses("kvm")).behind).toMatchObject({ mode: "kvm" });
  });

  itWith(
    ["mkfs.xfs", "linux.uml", "mount", "losetup", "root", "loop"],
    "finds a guest whose root is XFS, by the way that is named",
    async () => {
      const disk = join(folder, "xfs.img");
      await xfsDisk(disk, armed);
      for (const via of ["loop", "uml"] as const) {
        await using opened = await openImageFile(host, disk, { readOnly: true, via });
        expect((await inspectGuest(new Survey(opened.tree, opened.volumes))).toArm).toEqual([]);
      }
    },
  );

  itWith(
    ["mkfs.xfs", "linux.uml"],
    "takes the next way in where the best one cannot open this very image",
    async () => {
      const [disk, tree] = [join(folder, "old.xfs"), join(folder, "old.tree")];
      await host.run(["truncate", "-s", "320M", disk]);
      await writeFile(tree, "/\n0\n2\nd--755 0 0\netc d--755 0 0\nfstab ---644 0 0 /etc/fstab\n$\n$\n");
      // The format before checksums, which newer kernels may not mount; User-mode Linux does.
      await host.run(["mkfs.xfs", "-q", "-m", "crc=0", "-p", tree, disk]);
      const mounted = await openImageFile(host, disk, { readOnly: true, via: "loop" }).then(
        async (opened) => opened[Symbol.asyncDispose]().then(() => true),
        () => false,
      );
      await using opened = await openImageFile(host, disk, { readOnly: true });
      expect(opened.access.name).toBe(mounted ? "loop" : "uml");
      expect(await opened.tree.stat("/etc/fstab")).toBeDefined();
      if (!mounted) expect(opened.why.join("; ")).toContain("loop: mount: ");
    },
  );

  itWith(
    ["mkfs.xfs", "xfs_logprint", "mount", "losetup", "root", "loop"],
    "sees whether the log of an XFS waits to be replayed, as xfs_logprint does",
    async () => {
      const [disk, at, copy] = [join(folder, "log.img"), join(folder, "log"), join(folder, "log-copy.img")];
      await host.run(["truncate", "-s", "320M", disk]);
      await host.run(["mkfs.xfs", "-q", disk]);
      await mkdir(at);
      const seen: string[] = [];
      const look = async (file: string) => {
        const [volume] = (await imageFacts(file)).volumes;
        const { stdout } = await host.run(["xfs_logprint", "-t", file], { allow: [1, 2] });
        expect(volume?.isDirty ? "DIRTY" : "CLEAN").toBe(/state: <(\w+)>/.exec(stdout)?.[1]);
        seen.push(volume?.isDirty ? "dirty" : "clean");
      };
      await look(disk);
      for (const files of [3, 2000]) {
        await host.run(["mount", "-o", "loop", disk, at]);
        try {
          for (let i = 0; i < files; i++) await writeFile(join(at, `${files}-${i}`), "x");
          await host.run(["sync", "-f", at]);
          await writeFile(join(at, "later"), "x");
          await host.run(["sync", "-f", at]);
          await copyFile(disk, copy);
        } finally {
          await unmountImage(at);
        }
        await look(copy);
        await look(disk);
      }
      expect(seen).toEqual(["clean", "dirty", "clean", "dirty", "clean"]);
    },
  );
});
