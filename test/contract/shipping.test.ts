import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { domainXml } from "../../src/bundles/write/domain-xml.ts";
import { packAll } from "../../src/bundles/write/index.ts";
import { olvmOvf } from "../../src/bundles/write/olvm-ovf.ts";
import { proxmoxConf } from "../../src/bundles/write/proxmox.ts";
import { type Shipment, shipmentOf } from "../../src/bundles/write/shipment.ts";
import type { BundleFormat } from "../../src/choices.ts";
import { localHost } from "../../src/host/local.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import type { Store } from "../../src/store/store.ts";
import { missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const id = "ol6-sample-1.0.0";
let folder: string;
let images: string[];
let store: Store;
let manifest: Manifest;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-shipping-"));
  store = folderStore(host, join(folder, "store"));
  // Whole MiB that end in a hole; part of one; one sector; no data.
  images = [
    await image("System", 200 * 2 ** 20, [0, 2 ** 20, 50 * 2 ** 20, 150 * 2 ** 20]),
    await image("asm1", 5 * 2 ** 20 + 4096, [3 * 2 ** 20]),
    await image("small", 512, [0]),
    await image("blank", 3 * 2 ** 20, []),
  ];
  const [system, asm1, small, blank] = await Promise.all(
    images.map((file, index) => store.putDisk(file, ["System", "asm1", "small", "blank"][index] ?? "")),
  );
  if (!system || !asm1 || !small || !blank) throw new Error("four disks were stored");
  const machine = {
    vcpus: 2,
    maxVcpus: 8,
    memoryMib: 1024,
    maxMemoryMib: 4096,
    nics: ["public", "private"],
    vifs: ["mac=00:21:F6:00:00:01,bridge=public", "bridge=private"],
    drives: ["xvdc"],
  };
  manifest = sampleManifest(system, {
    machine,
    domainType: "XEN_HVM_PV_DRIVERS",
    // In the order of the vm.cfg, which differs from the order of slots.
    disks: [
      { ...system, slot: "xvda" },
      { ...asm1, slot: "xvdd", mode: "w!" },
      { ...small, slot: "xvdb", mode: "r" },
      { ...blank, slot: "xvdf" },
    ],
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function image(name: string, bytes: number, places: readonly number[]): Promise<string> {
  const file = join(folder, `${name}.img`);
  const handle = await open(file, "w");
  for (const [index, at] of places.entries()) {
    const data = index % 2 ? Buffer.alloc(2 ** 19, `${name} at ${at} `) : randomBytes(2 ** 19);
    await handle.write(data.subarray(0, Math.min(data.length, bytes - at)), 0, undefined, at);
  }
  await handle.truncate(bytes);
  await handle.close();
  return file;
}

async function packed(format: BundleFormat): Promise<string> {
  const place = join(folder, format);
  const [bundle] = await packAll(manifest, store, place, [format], {});
  return bundle?.file ?? "";
}

async function unpacked(format: BundleFormat): Promise<{ place: string; names: string[] }> {
  const file = await packed(format);
  const place = join(folder, `${format}-unpacked`);
  await mkdir(place, { recursive: true });
  const { stdout } = await host.run(["tar", "-xvf", file, "-C", place]);
  return { place, names: stdout.trim().split("\n") };
}

const sha256 = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

async function expectQcow2(file: string, raw: string): Promise<void> {
  await host.run(["qemu-img", "check", "-f", "qcow2", file]);
  const compared = await host.run(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", file, raw]);
  expect(compared.stdout).toContain("Images are identical");
}

function shipment(changes: Partial<Shipment> = {}): Shipment {
  return { ...shipmentOf(manifest, store), ...changes };
}

const variants: readonly (readonly [string, Partial<Shipment>])[] = [
  ["of VirtIO devices", {}],
  ["of emulated devices", { devices: "emulated" }],
  ["with UEFI", { firmware: "uefi" }],
  ["of few emulated devices", { devices: "emulated", drives: 1, disks: [] }],
  ["without nics and drives", { nics: [], drives: 0 }],
  ["on bridges", { nics: [{ network: "br0", isBridge: true, mac: "00:21:f6:00:00:01" }] }],
  [
    "with a hostile title",
    { title: "a]]>\n<b>&\u0001-->'\" ü", summary: "\ud800 --", notes: ["\u0000<!--"] },
  ],
  [
    "with disks that are there already",
    {
      disks: [
        {
          name: "a",
          slot: "xvda",
          mode: "w",
          isBoot: true,
          from: { kind: "device", path: "/dev/mapper/a&b" },
        },
        {
          name: "b",
          slot: "xvdb",
          mode: "w!",
          isBoot: false,
          from: { kind: "file", path: "/srv/shared.img" },
        },
      ],
    },
  ],
];

describe("libvirt", () => {
  it("contains a domain and the disks as qcow2, in a folder with its name", async () => {
    const { place, names } = await unpacked("libvirt");
    expect(names).toEqual(
      [`${id}.xml`, "System.qcow2", "small.qcow2", "asm1.qcow2", "blank.qcow2"].map(
        (name) => `${id}/${name}`,
      ),
    );
    for (const [index, name] of ["System", "asm1", "small", "blank"].entries())
      await expectQcow2(join(place, id, `${name}.qcow2`), images[index] ?? "");
    expect((await stat(join(place, id, "blank.qcow2"))).size).toBeLessThan(1 << 20);
  });

  it("describes disks in the order of their slots, with MACs, limits and one boot disk", () => {
    const xml = domainXml(shipment(), (name) => `/images/${name}.qcow2`);
    const found = [...xml.matchAll(/<source file="([^"]+)"\/>\s*<target dev="(\w+)"/g)].map(
      ([, ...one]) => one,
    );
    expect(found).toEqual([
      ["/images/System.qcow2", "vda"],
      ["/images/small.qcow2", "vdb"],
      ["/images/asm1.qcow2", "vdc"],
      ["/images/blank.qcow2", "vdd"],
    ]);
    expect(xml.match(/<boot order="1"\/>/g)).toHaveLength(1);
    // libvirt refuses to share a qcow2.
    expect(xml).not.toContain("<shareable/>");
    expect(xml).toContain("Several machines shared the disk asm1");
    expect(xml).toContain('<mac address="00:21:f6:00:00:01"/>');
    expect(xml).toContain('<vcpu current="2">8</vcpu>');
    expect(xml).toMatch(/<memory unit="MiB">4096<\/memory>\s*<currentMemory unit="MiB">1024</);
  });

  const lacking = missing("virt-xml-validate");
  it.skipIf(lacking).each(variants)(
    `is valid for libvirt${lacking ? ` (${lacking})` : ""}: %s`,
    async (_, changes) => {
      const file = join(folder, "domain.xml");
      await writeFile(
        file,
        domainXml(shipment(changes), (name) => `/images/${name}.qcow2`),
      );
      await host.run(["virt-xml-validate", file, "domain"]);
      // The validator does find faults.
      await writeFile(file, (await readFile(file, "utf8")).replace("<devices>", "<devices><bogus/>"));
      await expect(host.run(["virt-xml-validate", file, "domain"])).rejects.toThrow();
    },
  );
});

describe("olvm-ova", () => {
  it("is read back by tbuild, each disk byte for byte", async () => {
    const work = join(folder, "olvm-work");
    await mkdir(work);
    const found = await unpackTemplate(host, await packed("olvm-ova"), work, { mostBytes: 2 ** 40 });
    expect(found.kind).toBe("ova");
    expect(found.said).toMatchObject({ name: id, vcpus: 2, memoryMib: 1024, nics: ["public", "private"] });
    const order = [0, 2, 1, 3];
    for (const [index, { file }] of found.disks.entries())
      expect(await sha256(file)).toBe(await sha256(images[order[index] ?? 0] ?? ""));
    expect(found.disks).toHaveLength(4);
  });

  it("has the keys that Oracle's packer writes, and sufficient sizes", async () => {
    const { place, names } = await unpacked("olvm-ova");
    expect(names[0]).toBe("template.ovf");
    const ovf = await readFile(join(place, "template.ovf"), "utf8");
    await host.run(["xmllint", "--noout", "--nonet", join(place, "template.ovf")]);
    const files = [...ovf.matchAll(/<File ovf:href="([^"]+)" ovf:id="([^"]+)" ovf:size="(\d+)"\/>/g)];
    expect(files.map(([, href]) => href)).toEqual(names.slice(1));
    for (const [index, [, href = "", fileId, size]] of files.entries()) {
      expect(fileId).toBe(href);
      expect(Number(size)).toBe((await stat(join(place, href))).size);
      // The uncompressed disk fits into the size that the import allocates.
      const plain = join(folder, "plain.qcow2");
      await host.run(["qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", join(place, href), plain]);
      const populated = Number([...ovf.matchAll(/ovf:populatedSize="(\d+)"/g)][index]?.[1]);
      const needed = (await stat(plain)).size;
      expect(populated).toBeGreaterThanOrEqual(needed);
      expect(populated).toBeLessThan(needed + (1 << 20));
    }
    expect(ovf.match(/ovf:parentRef=""/g)).toHaveLength(4);
    const resources = [...ovf.matchAll(/<rasd:HostResource>ovf:disk\/([^<]+)</g)].map(([, one]) => one);
    expect(resources).toEqual([...ovf.matchAll(/ovf:diskId="([^"]+)"/g)].map(([, one]) => one));
    expect(ovf.match(/ovf:boot="true"/g)).toHaveLength(1);
    expect(ovf).toContain("<rasd:MACAddress>00:21:f6:00:00:01</rasd:MACAddress>");
    expect(ovf).toContain('ovirt:id="5002"');
  });

  it("is well-formed and can be read, with any name", async () => {
    for (const [, changes] of variants) {
      const file = join(folder, "vm.ovf");
      await writeFile(file, olvmOvf(shipment(changes), []));
      await host.run(["xmllint", "--noout", "--nonet", file]);
    }
  });
});

describe("xva", () => {
  it("follows the rules of XenServer's reader, each disk byte for byte", async () => {
    const place = join(folder, "xva-disks");
    await mkdir(place);
    const reader = join(import.meta.dirname, "xva.py");
    const { stdout } = await host.run(["python3", reader, await packed("xva"), place]);
    for (const [index, name] of ["System", "asm1", "small", "blank"].entries())
      expect(await sha256(join(place, `${name}.img`))).toBe(await sha256(images[index] ?? ""));
    const { version, objects } = JSON.parse(stdout);
    expect(version.export_vsn).toBe("2");
    const of = (kind: string) =>
      objects
        .filter((one: { class: string }) => one.class === kind)
        .map((one: { snapshot: unknown }) => one.snapshot);
    // Slots keep their gaps: userdevice 3 is xvdd.
    expect(of("VBD").map((one: { userdevice: string }) => one.userdevice)).toEqual(["0", "1", "3", "5"]);
    expect(of("VBD").map((one: { mode: string }) => one.mode)).toEqual(["RW", "RO", "RW", "RW"]);
    expect(of("VBD").map((one: { bootable: boolean }) => one.bootable)).toEqual([true, false, false, false]);
    expect(of("VIF").map((one: { MAC: string }) => one.MAC)).toEqual([
      "00:21:f6:00:00:01",
      "00:00:00:00:00:00",
    ]);
    expect(of("VM")[0]).toMatchObject({ name_label: id, HVM_boot_policy: "BIOS order", PV_bootloader: "" });
    expect(of("network").map((one: { name_label: string }) => one.name_label)).toEqual(["public", "private"]);
  });

  it("leaves out blocks of zeros", async () => {
    expect((await stat(await packed("xva"))).size).toBeLessThan(15 * 2 ** 20);
  });
});

describe("proxmox", () => {
  it("contains a configuration and the disks, in the layout of its storage", async () => {
    const { place, names } = await unpacked("proxmox");
    const disks = [0, 1, 2, 3].map((index) => `${id}/images/9000/vm-9000-disk-${index}.qcow2`);
    expect(names).toEqual([`${id}/9000.conf`, ...disks]);
    for (const [index, at] of [0, 2, 1, 3].entries())
      await expectQcow2(join(place, disks[index] ?? ""), images[at] ?? "");
  });

  it.each(variants)("writes one key and value a line: %s", (_, changes) => {
    const conf = proxmoxConf(shipment(changes));
    for (const line of conf.trimEnd().split("\n"))
      expect(line).toMatch(/^(?:#[^\p{Cc}]*|[a-z]+\d*: \S[^\p{Cc}]*)$/u);
  });

  it("names the disks in order, the boot disk, MACs and limits", () => {
    const conf = proxmoxConf(shipment());
    for (const line of [
      "boot: order=virtio0",
      "virtio0: local:9000/vm-9000-disk-0.qcow2,size=204800K",
      "virtio1: local:9000/vm-9000-disk-1.qcow2,size=1K,ro=1",
      "virtio2: local:9000/vm-9000-disk-2.qcow2,size=5124K",
      "ide2: none,media=cdrom",
      "net0: virtio=00:21:F6:00:00:01,bridge=public",
      "net1: virtio,bridge=private",
      "cores: 8",
      "vcpus: 2",
      "memory: 4096",
      "balloon: 1024",
    ])
      expect(conf.split("\n")).toContain(line);
  });
});
