import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { MigrationFormat } from "../../src/choices.ts";
import { localHost } from "../../src/host/local.ts";
import { describeWith, itWith } from "../fakes/missing.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const names = ["sys", "data", "asm"] as const;

// Its disks have no guest, so each command exits 1 or 6. Its output lists everything that is left out.
describeWith(["qemu-img", "python3", "tar"], "a machine with LUNs, shared disks and two networks", () => {
  let folder: string;
  let machine: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-formats-"));
    machine = join(folder, "R/VirtualMachines/0004fb");
    await mkdir(machine, { recursive: true });
    await mkdir(join(folder, "R/VirtualDisks"));
    for (const name of names) {
      const image = join(folder, `R/VirtualDisks/${name}.img`);
      await writeFile(image, name.repeat(100_000));
      await host.run(["truncate", "-s", "8M", image]);
    }
    await writeFile(join(machine, "vm.cfg"), config("/OVS/Repositories/R/VirtualDisks/", true));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  // Not in the order of its slots.
  const config = (at: string, luns: boolean) =>
    `OVM_simple_name = 'db 1'\nOVM_domain_type = 'xen_hvm_pv_drivers'\nuuid = '0004fb00-0006-0000-1111-222233334444'\n` +
    `memory = 384\nmaxmem = 768\nvcpus = 2\n` +
    `disk = [${[
      ...(luns ? ["phy:/dev/mapper/lun1,xvdd,w"] : []),
      `file:${at}asm.img,xvdc,w!`,
      `file:${at}data.img,xvdb,w`,
      `file:${at}sys.img,xvda,w`,
      ...(luns ? ["phy:/dev/mapper/lun2,xvde,w!"] : []),
    ]
      .map((one) => `'${one}'`)
      .join(", ")}]\n` +
    `vif = ['mac=00:21:f6:00:00:01,bridge=10a2', 'mac=00:21:F6:00:00:02,bridge=10b7']\n`;

  const migrate = async (source: string, to: MigrationFormat, ...more: string[]) => {
    const out = join(folder, `out-${(await readdir(folder)).length}`);
    const { stdout, stderr, exitCode } = await host.run(
      [
        ...[process.execPath, main, "migrate", source, "--to", to, "--out", out, "--stopped", "--no-convert"],
        ...["--json", ...more],
      ],
      { allow: [1, 6] },
    );
    expect(exitCode, stderr).toBe(1);
    const said = JSON.parse(stdout);
    expect(said).toMatchObject({ written: true });
    return { out, leftOut: said.leftOut.map(({ what }: { what: string }) => what) as string[] };
  };
  const mapped = [
    ...["--map", "/dev/mapper/lun1=/dev/mapper/new1", "--map", "xvde=/dev/mapper/new2"],
    ...["--map", "xvdc=copy", "--network", "10a2=br0"],
  ];
  const isCopy = async (name: string, file: string) => {
    const image = join(folder, `R/VirtualDisks/${name}.img`);
    const compared = await host.run(["qemu-img", "compare", "-F", "raw", "-f", "qcow2", file, image]);
    expect(compared.stdout).toContain("identical");
  };

  itWith(
    ["virsh"],
    "is what libvirt makes of it: the disks in order, LUNs in their places, MACs",
    async () => {
      const { out, leftOut } = await migrate(machine, "libvirt", ...mapped);
      expect(leftOut).toEqual([]);
      for (const name of names) await isCopy(name, join(out, `db-1/${name}.qcow2`));
      // libvirt's test driver reads the description like its qemu driver.
      const xml = join(out, "test.xml");
      const text = await readFile(join(out, "db-1/db-1.xml"), "utf8");
      await writeFile(xml, text.replace('<domain type="kvm">', '<domain type="test">'));
      const commands = `define ${xml}; domblklist db-1 --details; domiflist db-1; dumpxml db-1`;
      const { stdout } = await host.run(["virsh", "-q", "-c", "test:///default", commands]);
      const rows = stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
      expect(rows.filter(([, device]) => device === "disk")).toEqual([
        ["file", "disk", "vda", "/var/lib/libvirt/images/db-1/sys.qcow2"],
        ["file", "disk", "vdb", "/var/lib/libvirt/images/db-1/data.qcow2"],
        ["file", "disk", "vdc", "/var/lib/libvirt/images/db-1/asm.qcow2"],
        ["block", "disk", "vdd", "/dev/mapper/new1"],
        ["block", "disk", "vde", "/dev/mapper/new2"],
      ]);
      expect(rows.filter(([, type]) => type === "bridge").map(([, , ...one]) => one)).toEqual([
        ["br0", "virtio", "00:21:f6:00:00:01"],
        ["10b7", "virtio", "00:21:f6:00:00:02"],
      ]);
      expect(stdout).toContain("<title>db 1</title>");
      expect(stdout.match(/<shareable\/>/g)).toHaveLength(1);
      expect(stdout).toMatch(/new2[\s\S]*<shareable\/>[\s\S]*<serial>xvde</);
    },
  );

  it("lists everything that it cannot keep, and nothing else", async () => {
    const { leftOut } = await migrate(machine, "libvirt");
    expect(leftOut).toEqual([
      expect.stringContaining("xvdc, "),
      "xvdd, /dev/mapper/lun1",
      "xvde, /dev/mapper/lun2",
    ]);
  });

  it("is an XVA that XenServer's reader accepts, with the disks in their slots", async () => {
    const { out, leftOut } = await migrate(machine, "xva", ...mapped);
    expect(leftOut).toEqual(["xvdd, /dev/mapper/lun1", "xvde, /dev/mapper/lun2"]);
    const { stdout } = await host.run([
      ...["python3", join(import.meta.dirname, "xva.py"), join(out, "db-1.xva"), out],
    ]);
    for (const name of names)
      expect(await digest(join(out, `${name}.img`))).toBe(
        await digest(join(folder, `R/VirtualDisks/${name}.img`)),
      );
    const { objects } = JSON.parse(stdout);
    const of = (kind: string) =>
      objects
        .filter((one: { class: string }) => one.class === kind)
        .map((one: { snapshot: unknown }) => one.snapshot);
    expect(of("VM")).toMatchObject([{ name_label: "db 1", uuid: "0004fb00-0006-0000-1111-222233334444" }]);
    expect(of("VBD")).toMatchObject(["0", "1", "2"].map((userdevice) => ({ userdevice })));
    expect(of("VIF")).toMatchObject([{ MAC: "00:21:f6:00:00:01" }, { MAC: "00:21:f6:00:00:02" }]);
  });

  it("is an OVA for OLVM, with the description in front and the disks in order", async () => {
    const { out, leftOut } = await migrate(machine, "olvm-ova", ...mapped);
    expect(leftOut).toHaveLength(2);
    const { stdout } = await host.run(["tar", "-xvf", join(out, "db-1.olvm.ova"), "-C", out]);
    const [ovf = "", ...disks] = stdout.trim().split("\n");
    expect(ovf).toMatch(/\.ovf$/);
    for (const [index, disk] of disks.entries()) await isCopy(names[index] ?? "", join(out, disk));
    const text = await readFile(join(out, ovf), "utf8");
    expect([...text.matchAll(/<rasd:MACAddress>([^<]+)/g)].map(([, mac]) => mac)).toEqual([
      "00:21:f6:00:00:01",
      "00:21:f6:00:00:02",
    ]);
    // Names there have no blanks.
    expect(text).toContain("<Name>db-1</Name>");
    expect(text).toContain("<Description>db 1 Moved from Oracle VM");
  });

  it("is a configuration for Proxmox, with the LUNs where the table says", async () => {
    const { out } = await migrate(machine, "proxmox", ...mapped);
    const images = join(out, "db-1/images/9000");
    for (const [index, name] of names.entries())
      await isCopy(name, join(images, `vm-9000-disk-${index}.qcow2`));
    const lines = (await readFile(join(out, "db-1/9000.conf"), "utf8")).split("\n");
    expect(lines.filter((line) => /^(?:virtio|net)\d/.test(line))).toEqual([
      ...names.map((_, index) => `virtio${index}: local:9000/vm-9000-disk-${index}.qcow2,size=8192K`),
      "virtio3: /dev/mapper/new1",
      "virtio4: /dev/mapper/new2,backup=0,cache=none,shared=1",
      "net0: virtio=00:21:F6:00:00:01,bridge=br0",
      "net1: virtio=00:21:F6:00:00:02,bridge=10b7",
    ]);
  });

  it("is the same from one archive and from its parts", async () => {
    const [packed, parts] = [join(folder, "packed"), join(folder, "parts")];
    await mkdir(packed);
    await mkdir(parts);
    for (const name of names)
      await host.run(["cp", "--sparse=always", join(folder, `R/VirtualDisks/${name}.img`), packed]);
    await writeFile(join(packed, "vm.cfg"), config("", false));
    const tar = (file: string, ...members: string[]) =>
      host.run(["tar", "-czf", file, "-C", packed, ...members]);
    await tar(join(folder, "DB.tgz"), ".");
    await tar(join(parts, "DB-1of2.tar.gz"), "vm.cfg", "sys.img");
    await tar(join(parts, "DB-2of2.tar.gz"), "data.img", "asm.img");
    for (const source of [join(folder, "DB.tgz"), parts]) {
      const { out, leftOut } = await migrate(source, "libvirt", "--map", "xvdc=copy");
      expect(leftOut).toEqual([]);
      for (const name of names) await isCopy(name, join(out, `db-1/${name}.qcow2`));
    }
  });

  it("stays unchanged", async () => {
    for (const name of names) {
      const file = join(folder, `R/VirtualDisks/${name}.img`);
      const expected = Buffer.alloc(8 << 20);
      expected.write(name.repeat(100_000));
      expect(await digest(file)).toBe(createHash("sha256").update(expected).digest("hex"));
    }
  });
});

async function digest(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}
