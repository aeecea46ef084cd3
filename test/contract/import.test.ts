import { createHash } from "node:crypto";
import {
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Imported, type ImportOptions, importTemplate } from "../../src/build/import-template.ts";
import { packAll } from "../../src/bundles/write/index.ts";
import { Interrupted } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import type { Store } from "../../src/store/store.ts";
import { itWith, missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";
import { unmountImage } from "../unmount-image.ts";

const lacking = missing("qemu-img", "mke2fs", "debugfs", "tar");
const title = (text: string) => (lacking ? `${text} (${lacking})` : text);

const host = localHost();
let folder: string;
/** A guest that tbuild did not make, on an ext4 without partitions. */
let image: string;
let store: Store;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-import-"));
  image = join(folder, "guest.img");
  if (!lacking) await makeGuest(image, guestFiles);
  store = folderStore(host, join(folder, "store"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const guestFiles: Record<string, string> = {
  "/etc/fstab": "/dev/xvda / ext4 defaults 1 1\n",
  "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
  "/etc/sysconfig/ovmd": "INITIAL_CONFIG=yes\n",
  "/etc/rc.d/init.d/ovmd": "#!/bin/sh\n# chkconfig: 345 08 92\n",
  "/etc/rc.d/rc3.d/S08ovmd": "",
  "/etc/rc.d/rc4.d/S08ovmd": "",
  "/etc/rc.d/rc5.d/S08ovmd": "",
  "/boot/grub/grub.conf":
    "default=1\ntitle a\n kernel /boot/vmlinuz-1 ro\ntitle b\n kernel /boot/vmlinuz-4.1.12-124.el6uek.x86_64 ro\n",
  "/etc/template.d/configure/90-authentication": "",
  "/etc/template.d/configure/50-dark": "",
  "/etc/template.d/scripts/authentication":
    "from templateconfig.cli import main\nimport json\nKEY = 'com.oracle.linux.root-password'\ndef do_enumerate(target):\n  return json.dumps([{'key': KEY, 'description': 'System root password.', 'required': True, 'password': True}])\nmain(do_enumerate, {})\n",
  "/etc/template.d/scripts/dark":
    "import os\nfrom templateconfig.cli import main\nimport json\nPRE = 'a.b.'\ndef do_enumerate(target):\n  param = [{'key': PRE + 'c', 'description': 'known'}]\n  for name in os.listdir('/'):\n    param += [{'key': name}]\n  return json.dumps(param)\nmain(do_enumerate, {})\n",
};

async function makeGuest(to: string, files: Readonly<Record<string, string>>): Promise<void> {
  const root = await mkdtemp(join(folder, "root-"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await host.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, to, "8M"]);
}

async function imported(file: string, options: Partial<ImportOptions> = {}, into = store): Promise<Imported> {
  const workFolder = join(folder, "import");
  try {
    return await importTemplate(host, { store: into, records: recordsIn(host, folder) }, file, {
      mostBytes: 2 ** 30,
      workFolder,
      tbuild: "0.1.0",
      ...options,
    });
  } finally {
    expect(await readdir(workFolder)).toEqual([]);
  }
}

/** Checks that the disks of a version have these bytes. */
async function expectDisks({ manifest }: Imported, ...images: readonly string[]): Promise<void> {
  const wanted = await Promise.all(images.map((file) => sha256(file)));
  const found: string[] = [];
  for (const disk of manifest.disks) {
    const to = join(folder, "restored.img");
    await store.restoreDisk(disk, to);
    found.push(await sha256(to));
  }
  expect(found).toEqual(wanted);
}

const hash = (algorithm: string, data: Uint8Array) => createHash(algorithm).update(data).digest("hex");
const sha256 = async (file: string) => hash("sha256", await readFile(file));

describe.skipIf(lacking)(title("import of what tbuild packed"), () => {
  let template: Manifest;
  let bundles: Awaited<ReturnType<typeof packAll>>;
  beforeAll(async () => {
    const source = folderStore(host, join(folder, "source"));
    template = sampleManifest(await source.putDisk(image, "System"));
    bundles = await packAll(template, source, join(folder, "bundles"), ["ovm-tgz", "ova", "qcow2"], {});
  });

  it.each(["ovm-tgz", "ova", "qcow2"] as const)(
    "%s gives the same disk, whatever the file is called",
    async (format) => {
      const file = join(folder, `some file of ${format}`);
      await copyFile(bundles.find((bundle) => bundle.format === format)?.file ?? "", file);
      const there = await imported(file, { name: `from-${format}` });
      await expectDisks(there, image);
      expect(there.manifest.inputs).toEqual({ archive: `sha256:${await sha256(file)}` });
      expect(there.manifest.parent).toBeUndefined();
      if (format === "qcow2") return;
      expect(there.manifest).toMatchObject({
        version: "1.0.0",
        domainType: "XEN_PVM",
        machine: {
          vcpus: 2,
          memoryMib: 2048,
          nics: format === "ova" ? ["public", "interconnect"] : ["public", "public"],
        },
      });
    },
  );

  it("is a new version only if its disk differs", async () => {
    const file = bundles[0]?.file ?? "";
    const first = await imported(file);
    expect([first.isNew, first.manifest.name, first.manifest.version]).toEqual([true, "ol6-sample", "1.0.0"]);
    expect((await imported(file)).isNew).toBe(false);
    // A kill between the store and the records is made good by the next import.
    const record = join(folder, "templates/ol6-sample/1.0.0.json");
    await rm(record);
    expect((await imported(file)).isNew).toBe(false);
    expect(await readFile(record, "utf8")).toContain('"ol6-sample"');
    const changed = join(folder, "ol6-sample.img");
    await makeGuest(changed, { ...guestFiles, "/etc/motd": "changed" });
    expect((await imported(changed)).manifest.version).toBe("1.0.1");
    await expect(imported(changed, { version: "1.0.0" })).rejects.toThrow(
      "records a different ol6-sample@1.0.0",
    );
    // A number that only the recipe repo has is also in use, so nothing is published.
    const elsewhere = folderStore(host, join(folder, "elsewhere"));
    await expect(imported(changed, { version: "1.0.0" }, elsewhere)).rejects.toThrow("records a different");
    expect(await elsewhere.list()).toEqual([]);
  });
});

describe.skipIf(lacking)(title("inspection of an imported guest"), () => {
  it("reports release, kernel and parameters, reads scripts without running any, and lists what it could not determine", async () => {
    const { manifest, notes } = await imported(image, { name: "inspected" });
    expect(manifest.release).toMatchObject({ major: 6, update: 10 });
    expect(manifest.kernel).toBe("4.1.12-124.el6uek.x86_64");
    expect(manifest.contract.map((one) => [one.key, one.password])).toEqual([
      ["a.b.c", false],
      ["com.oracle.linux.root-password", true],
    ]);
    expect(notes.join("\n")).toMatch(/parameters of the module dark/);
    expect(notes.join("\n")).toMatch(/packages: there is no rpm database/);
    expect(notes.join("\n")).toMatch(/domain type: not specified/);
    expect(notes.join("\n")).not.toMatch(/not armed/);
  });

  it("says that a first boot is not armed", async () => {
    const file = join(folder, "unarmed.img");
    await makeGuest(file, { ...guestFiles, "/etc/sysconfig/ovmd": "INITIAL_CONFIG=no\n" });
    expect((await imported(file)).notes.join("\n")).toContain("first boot: it is not armed");
  });

  it("takes name and version from the passport, and never treats a rehearsal as real", async () => {
    const file = join(folder, "ol6-real.img");
    const passport =
      'NAME="ol6-x-rehearsal"\nVERSION="3.2.1"\nBUILD="b"\nRECIPE="r"\nMADE="m"\nREHEARSAL=yes\n';
    await makeGuest(file, { ...guestFiles, "/etc/tbuild-release": passport });
    const { manifest } = await imported(file);
    expect([manifest.name, manifest.version, manifest.rehearsal]).toEqual(["ol6-x-rehearsal", "3.2.1", true]);
    await expect(imported(file, { name: "ol6-real" })).rejects.toMatchObject({ fault: "usage" });
  });

  it("does not read a file that is too large for its name", async () => {
    const file = join(folder, "large.img");
    const root = await mkdtemp(join(folder, "root-"));
    await mkdir(join(root, "etc"));
    await writeFile(join(root, "etc/fstab"), guestFiles["/etc/fstab"] ?? "");
    await writeFile(join(root, "etc/oracle-release"), "Oracle Linux Server release 6.10\n");
    await truncate(join(root, "etc/oracle-release"), 2 ** 33);
    await host.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, file, "8M"]);
    const { notes } = await imported(file);
    expect(notes.join("\n")).toContain("release: /etc/oracle-release: 8589934592 bytes exceed the limit");
    expect(notes.join("\n")).toContain("files and services: /etc/oracle-release: 8589934592 bytes");
  });

  it("of a file system that nothing can open says so, and imports the disk", async () => {
    const file = join(folder, "xfs.img");
    const handle = await open(file, "w");
    await handle.write("XFSB");
    await handle.truncate(2 ** 20);
    await handle.close();
    const there = await imported(file);
    await expectDisks(there, file);
    expect(there.manifest.release.name).toBe("unknown");
    expect(there.notes.join("\n")).toMatch(/inside System: .*uml: cannot mount disk \(xfs\)/);
  });

  itWith(
    ["linux.uml", "mkfs.xfs", "mount", "losetup", "root", "loop"],
    "of a guest on XFS looks into it by a kernel that is a process, and not this machine's",
    async () => {
      const file = join(folder, "guest-on-xfs.img");
      const at = join(folder, "at");
      await host.run(["truncate", "-s", "320M", file]);
      await host.run(["mkfs.xfs", "-q", file]);
      await mkdir(at);
      await host.run(["mount", "-o", "loop", file, at]);
      await mkdir(join(at, "etc"));
      await writeFile(join(at, "etc/fstab"), "/dev/sda / xfs defaults 0 0\n");
      await writeFile(join(at, "etc/oracle-release"), "Oracle Linux Server release 7.9\n");
      await writeFile(join(at, "etc/motd"), "hello\n");
      await unmountImage(at);
      const ran: string[] = [];
      const watched = localHost((argv) => ran.push(argv[0] ?? ""));
      const { manifest } = await importTemplate(watched, { store, records: recordsIn(host, folder) }, file, {
        mostBytes: 2 ** 30,
        workFolder: join(folder, "import"),
        tbuild: "0.1.0",
      });
      expect(manifest.release).toMatchObject({ major: 7, update: 9 });
      expect(manifest.guest?.files.find(({ path }) => path === "/etc/motd")?.text).toBe("hello\n");
      expect(ran).not.toContain("mount");
    },
  );
});

describe.skipIf(lacking)(title("import of an image"), () => {
  it.each([
    ["raw", []],
    ["qcow2", []],
    ["qcow2", ["-c"]],
    ["qcow2", ["-o", "compat=0.10"]],
    ["vmdk", ["-o", "subformat=streamOptimized"]],
    ["vmdk", ["-o", "subformat=monolithicSparse"]],
  ])("%s %j gives its disk, plain and gzipped", async (format, options) => {
    const file = join(folder, "image.any");
    await host.run(["qemu-img", "convert", "-O", format, ...options, image, file]);
    await expectDisks(await imported(file, { name: "image" }), image);
    await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 1 }));
    await expectDisks(await imported(`${file}.gz`, { name: "image" }), image);
  });

  it("a qcow2 that ends within a sector gives its disk, plain, gzipped, and in a tar", async () => {
    const file = join(folder, "snapshot.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", image, file]);
    await host.run(["qemu-img", "snapshot", "-c", "s1", file]);
    expect((await readFile(file)).length % 512).not.toBe(0);
    await expectDisks(await imported(file, { name: "image" }), image);
    await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 1 }));
    await expectDisks(await imported(`${file}.gz`, { name: "image" }), image);
    // The archive continues after the image: with padding, and the next file.
    const there = await mkdtemp(join(folder, "xm-"));
    await copyFile(file, join(there, "System.img"));
    await writeFile(join(there, "vm.cfg"), "name = 'a'\ndisk = ['file:System.img,xvda,w']\n");
    await host.run(["tar", "-cf", `${there}.tar`, "-C", there, "System.img", "vm.cfg"]);
    await expectDisks(await imported(`${there}.tar`, { name: "image" }), image);
  });

  it.each<[string, (file: string) => Promise<unknown>, string]>([
    [
      "a qcow2 with a file of this machine behind it",
      (file) => host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", file]),
      "needs a backing file",
    ],
    [
      "a qcow2 with its data in a file of this machine",
      (file) =>
        host.run([
          "qemu-img",
          "create",
          "-q",
          "-f",
          "qcow2",
          "-o",
          `data_file=${file}.data,data_file_raw=on`,
          file,
          "1M",
        ]),
      "in another file",
    ],
    [
      "a VMDK descriptor that names a file of this machine",
      (file) =>
        writeFile(
          file,
          '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/shadow" 0\n',
        ),
      "data is in other files",
    ],
    [
      "a sparse VMDK that names a file of this machine",
      (file) => bentVmdk(file, 'createType="monolithicSparse"', 'createType="monolithicFlat"  '),
      "other files",
    ],
    [
      "a VMDK with a parent",
      (file) => bentVmdk(file, "parentCID=ffffffff", "parentCID=12345678"),
      "contains only the differences to another disk",
    ],
    [
      "a VMDK whose disk is 8 PiB",
      async (file) => {
        await bentVmdk(file, "", "");
        const handle = await open(file, "r+");
        await handle.write(Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0]), 0, 8, 12);
        await handle.close();
      },
      "System|damaged|allowed",
    ],
    [
      "a qcow2 that is larger than allowed",
      (file) => host.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "1T"]),
      "the limit is",
    ],
    [
      "a picture",
      (file) =>
        writeFile(file, Buffer.concat([Buffer.from("\xff\xd8\xff\xe0", "latin1"), Buffer.alloc(9000, "x")])),
      "neither a template nor",
    ],
    ["nothing", (file) => writeFile(file, ""), "is empty"],
    ["text, gzipped", (file) => writeFile(file, gzipSync("hello")), "sectors|not a disk image"],
    ["a zip that is none", (file) => writeFile(file, "PK\u0003\u0004 and so on"), "is damaged"],
    [
      "zeros without end, gzipped",
      (file) => writeFile(file, gzipSync(Buffer.alloc(2 ** 27))),
      "exceeds the limit|not a disk image",
    ],
    [
      "a gzip in a gzip",
      (file) => writeFile(file, gzipSync(gzipSync("x".repeat(1024)))),
      "compressed twice with gzip",
    ],
    [
      "a tar of other things",
      async (file) => writeFile(file, (await host.run(["tar", "-cf", "-", "-C", "/etc", "hostname"])).bytes),
      "neither a vm.cfg nor",
    ],
    [
      "a cut-off vmdk",
      async (file) => {
        await host.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", image, file]);
        await writeFile(file, (await readFile(file)).subarray(0, 100_000));
      },
      "damaged",
    ],
  ])("%s is refused, and nothing is published", async (_what, make, words) => {
    const empty = folderStore(host, join(folder, "empty"));
    const file = join(folder, "hostile");
    await rm(file, { force: true });
    await make(file);
    await expect(imported(file, { mostBytes: 2 ** 26 }, empty)).rejects.toMatchObject({
      fault: expect.stringMatching(/usage|integrity|guest|environment/),
      message: expect.stringMatching(words),
    });
    expect(await empty.list()).toEqual([]);
  });

  async function bentVmdk(file: string, from: string, to: string): Promise<void> {
    await host.run(["qemu-img", "create", "-q", "-f", "vmdk", file, "1M"]);
    const text = (await readFile(file)).toString("latin1");
    await writeFile(file, Buffer.from(text.replace(from, to.slice(0, from.length)), "latin1"));
  }

  it("removes what a killed import left", async () => {
    const left = join(folder, "import/import-dead");
    await mkdir(left, { recursive: true });
    await writeFile(join(left, "lock"), "999999999 1\n");
    await writeFile(join(left, "disk-1.img"), "x");
    await imported(image, { name: "after-a-kill" });
  });

  it("that is truncated leaves nothing", async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(imported(image, { signal: controller.signal })).rejects.toThrow(Interrupted);
  });
});

/** The kinds of OVA in virt-v2v's tests, with common modifications. */
describe.skipIf(lacking)(title("import of an OVA"), () => {
  let vmdk: Buffer;
  beforeAll(async () => {
    const file = join(folder, "disk.vmdk");
    await host.run(["qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", image, file]);
    vmdk = await readFile(file);
  });

  interface Disk {
    readonly href: string;
    readonly file?: string;
    readonly disk?: string;
  }

  function descriptor(...disks: readonly Disk[]): Buffer {
    return Buffer.from(`<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>${disks.map(({ href, file = "" }, i) => `<File ovf:id="f${i}" ovf:href="${href}" ${file}/>`).join("")}</References>
<DiskSection>${disks.map(({ disk = 'ovf:capacity="8" ovf:capacityAllocationUnits="byte * 2^20"' }, i) => `<Disk ovf:diskId="d${i}" ovf:fileRef="f${i}" ${disk}/>`).join("")}</DiskSection>
<VirtualSystem ovf:id="vm"><Name>a machine</Name><VirtualHardwareSection>${disks.map((_, i) => `<Item><rasd:HostResource>ovf:/disk/d${i}</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>`).join("")}</VirtualHardwareSection></VirtualSystem></Envelope>`);
  }

  const sums = (algorithm: string, files: Record<string, Uint8Array>, end = "\n") =>
    Buffer.from(
      Object.entries(files)
        .map(([name, data]) => `${algorithm.toUpperCase()}(${name})= ${hash(algorithm, data)}${end}`)
        .join(""),
    );

  async function archive(files: Record<string, Uint8Array>, ...options: readonly string[]): Promise<string> {
    const place = await mkdtemp(join(folder, "ova-"));
    await unpacked(files, place);
    const file = `${place}.ova`;
    await host.run(["tar", ...options, "-cf", file, "-C", place, ...Object.keys(files)]);
    return file;
  }

  async function zipped(files: Record<string, Uint8Array>): Promise<string> {
    const place = await mkdtemp(join(folder, "zip-"));
    await unpacked(files, place);
    await host.run(["python3", "-m", "zipfile", "-c", `${place}.zip`, ...Object.keys(files)], { cwd: place });
    return `${place}.zip`;
  }

  async function unpacked(files: Record<string, Uint8Array>, place: string): Promise<void> {
    for (const [name, data] of Object.entries(files)) {
      await mkdir(dirname(join(place, name)), { recursive: true });
      await writeFile(join(place, name), data);
    }
  }

  const plain = () => ({ "a.ovf": descriptor({ href: "disk.vmdk" }), "disk.vmdk": vmdk });
  const withSums = (algorithm: string, end?: string) => ({
    ...plain(),
    "a.mf": sums(algorithm, plain(), end),
  });

  const good: [string, () => Promise<string>][] = [
    ["a plain tar", () => archive(plain())],
    ["a gzipped tar", () => archive(withSums("sha1"), "-z")],
    ["a tar in xz", () => archive(withSums("sha1"), "-J")],
    ["a tar in bzip2", () => archive(withSums("sha1"), "-j")],
    ["a tar in zstd", () => archive(withSums("sha1"), "--zstd")],
    ["a zip", () => zipped(withSums("sha256"))],
    ["sums of SHA-1", () => archive(withSums("sha1"))],
    ["sums of SHA-256", () => archive(withSums("sha256"))],
    ["sums of SHA-512 and line ends of Windows", () => archive(withSums("sha512", "\r\n"))],
    [
      "a disk compressed by gzip",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk.gz", file: 'ovf:compression="gzip"' }),
          "disk.vmdk.gz": gzipSync(vmdk),
        }),
    ],
    [
      "a disk compressed by gzip that it does not mention",
      () => archive({ "a.ovf": descriptor({ href: "disk.vmdk" }), "disk.vmdk": gzipSync(vmdk) }),
    ],
    [
      "a folder in the archive",
      () =>
        archive({
          "x/y/a.ovf": descriptor({ href: "disk.vmdk" }),
          "x/y/disk.vmdk": vmdk,
          "x/y/a.mf": sums("sha1", plain()),
        }),
    ],
    [
      "blanks in names, encoded",
      () => archive({ "a b.ovf": descriptor({ href: "my%20disk%201.vmdk" }), "my disk 1.vmdk": vmdk }),
    ],
    [
      "blanks in names, plain",
      () =>
        archive({
          "a b.ovf": descriptor({ href: "my disk 1.vmdk" }),
          "my disk 1.vmdk": vmdk,
          "a b.mf": sums("sha1", { "my disk 1.vmdk": vmdk }),
        }),
    ],
    [
      "the newest of three snapshots",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk" }),
          "disk.vmdk.000000000": Buffer.alloc(10240),
          "disk.vmdk.000000001": Buffer.alloc(11264),
          "disk.vmdk.000000002": vmdk,
          "a.mf": sums("sha1", { "disk.vmdk": vmdk, "disk.vmdk.000000002": vmdk }),
        }),
    ],
    [
      "pieces",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk", file: `ovf:chunkSize="65536" ovf:size="${vmdk.length}"` }),
          ...pieces(),
        }),
    ],
    [
      "a fixed VMDK",
      async () => archive({ "a.ovf": descriptor({ href: "disk.vmdk" }), "disk.vmdk": await sparseVmdk() }),
    ],
    [
      "a raw disk",
      async () =>
        archive({ "a.ovf": descriptor({ href: "disk.img" }), "disk.img": await readFile(image) }, "-S"),
    ],
    [
      "a size that is wrong and sums that are right",
      () => {
        const files = {
          "a.ovf": descriptor({ href: "disk.vmdk", file: 'ovf:size="99999999"' }),
          "disk.vmdk": vmdk,
        };
        return archive({ ...files, "a.mf": sums("sha256", files) });
      },
    ],
    [
      "a size that is too small",
      () => archive({ "a.ovf": descriptor({ href: "disk.vmdk", file: 'ovf:size="10"' }), "disk.vmdk": vmdk }),
    ],
    [
      "a manifest that lists itself, another one, and what a Mac leaves beside files",
      () => {
        const files = { ...plain() };
        const itself = Buffer.concat([sums("sha1", files), Buffer.from(`SHA1(a.mf)= ${"0".repeat(40)}\n`)]);
        const beside = {
          "b.mf": Buffer.from("SHA1(x)= 1"),
          "._a.ovf": vmdk,
          "._a.mf": vmdk,
          ".DS_Store": vmdk,
        };
        return archive({ ...beside, ...files, "a.mf": itself });
      },
    ],
    [
      "a folder that somebody unpacked",
      async () => {
        const place = await mkdtemp(join(folder, "ova-"));
        await unpacked(withSums("sha256"), place);
        return place;
      },
    ],
    [
      "the .ovf in such a folder",
      async () => {
        const place = await mkdtemp(join(folder, "ova-"));
        await unpacked(withSums("sha256"), place);
        return join(place, "a.ovf");
      },
    ],
  ];

  function pieces(): Record<string, Uint8Array> {
    const count = Math.ceil(vmdk.length / 65536);
    return Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `disk.vmdk.${String(i).padStart(9, "0")}`,
        vmdk.subarray(i * 65536, (i + 1) * 65536),
      ]),
    );
  }

  async function sparseVmdk(): Promise<Buffer> {
    const file = join(folder, "fixed.vmdk");
    await host.run(["qemu-img", "convert", "-O", "vmdk", image, file]);
    return readFile(file);
  }

  it.each(good)("with %s gives its disk", async (_what, make) => {
    await expectDisks(await imported(await make(), { name: "an-ova" }), image);
  });

  it("with two disks gives both, in the machine's order", async () => {
    const second = join(folder, "second.img");
    await writeFile(second, Buffer.alloc(1 << 20, "second"));
    const file = await archive({
      "a.ovf": descriptor({ href: "disk.vmdk" }, { href: "second.img", disk: 'ovf:capacity="1048576"' }),
      "second.img": await readFile(second),
      "disk.vmdk": vmdk,
    });
    const there = await imported(file, { name: "two" });
    await expectDisks(there, image, second);
    expect(there.manifest.disks.map((disk) => disk.name)).toEqual(["disk", "second"]);
    expect(there.manifest.release.major).toBe(6);
    expect(there.notes.join("\n")).toContain("it has no manifest");
  });

  it("with a capacity that differs from its disk, and an unread section, notes both", async () => {
    const text = descriptor({ href: "disk.vmdk", disk: 'ovf:capacity="107374182400"' }).toString();
    const foo = '<x:FooSection xmlns:x="x" ovf:required="true"/></Envelope>';
    const file = await archive({
      "a.ovf": Buffer.from(text.replace("</Envelope>", foo)),
      "disk.vmdk": vmdk,
    });
    const there = await imported(file, { name: "required" });
    await expectDisks(there, image);
    expect(there.notes).toEqual(
      expect.arrayContaining([
        '"disk.vmdk": the disk has 8388608 bytes, and the OVF says 107374182400',
        'the OVF requires "FooSection", which tbuild does not read',
      ]),
    );
    const right = await imported(await archive(plain()), { name: "not-required" });
    expect(right.notes.join("\n")).not.toMatch(/the OVF (?:says|requires)/);
  });

  const bad: [string, () => Promise<string>, string][] = [
    [
      "a sum of SHA-1 that lies",
      () => archive({ ...plain(), "a.mf": sums("sha1", { ...plain(), "disk.vmdk": Buffer.from("other") }) }),
      "does not match its manifest",
    ],
    [
      "a sum of SHA-256 that lies",
      () => archive({ ...plain(), "a.mf": sums("sha256", { ...plain(), "a.ovf": Buffer.from("other") }) }),
      "does not match its manifest",
    ],
    [
      "a manifest that cannot be read",
      () => archive({ ...plain(), "a.mf": Buffer.from("SHA1 of disk.vmdk is fine\n") }),
      "is not a checksum",
    ],
    [
      "a manifest that lists what is not there",
      () => archive({ ...plain(), "a.mf": sums("sha1", { ...plain(), "more.vmdk": vmdk }) }),
      "which is missing",
    ],
    [
      "a manifest that lists a file again and again",
      () => archive({ ...plain(), "a.mf": Buffer.concat([sums("sha1", plain()), sums("sha1", plain())]) }),
      "twice",
    ],
    [
      "one file for two disks",
      () => archive({ ...plain(), "a.ovf": descriptor({ href: "disk.vmdk" }, { href: "disk.vmdk" }) }),
      "is listed as two disks",
    ],
    [
      "two descriptors",
      () => archive({ ...plain(), "b.ovf": descriptor({ href: "disk.vmdk" }) }),
      "more than one descriptor",
    ],
    [
      "no disk",
      () => archive({ "a.ovf": descriptor({ href: "disk.vmdk" }) }),
      "listed in the OVF, but missing",
    ],
    [
      "a file that is shorter than it says, without a sum",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk", file: 'ovf:size="99999999"' }),
          "disk.vmdk": vmdk,
        }),
      "and the OVF says 99999999",
    ],
    [
      "a capacity that lies",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk", disk: 'ovf:capacity="1048576"' }),
          "disk.vmdk": vmdk,
        }),
      "its descriptor says 1048576",
    ],
    [
      "a gzip that is larger than its capacity",
      () =>
        archive({
          "a.ovf": descriptor({
            href: "d.gz",
            file: 'ovf:compression="gzip"',
            disk: 'ovf:capacity="1048576"',
          }),
          "d.gz": gzipSync(Buffer.alloc(2 ** 26)),
        }),
      "exceeds the limit",
    ],
    [
      "another compression",
      () =>
        archive({
          "a.ovf": descriptor({ href: "disk.vmdk", file: 'ovf:compression="bzip2"' }),
          "disk.vmdk": vmdk,
        }),
      "tbuild supports gzip only",
    ],
    [
      "a disk above it",
      () => archive({ "a.ovf": descriptor({ href: "../../../etc/passwd" }) }),
      "leads outside the archive",
    ],
    [
      "a disk of the host",
      () => archive({ "a.ovf": descriptor({ href: "/etc/passwd" }) }),
      "leads outside the archive",
    ],
    [
      "a disk elsewhere",
      () => archive({ "a.ovf": descriptor({ href: "http://127.0.0.1/disk.vmdk" }) }),
      "tbuild downloads nothing",
    ],
    [
      "a piece missing",
      async () => {
        const { "disk.vmdk.000000001": _gone, ...others } = pieces();
        return archive({
          "a.ovf": descriptor({ href: "disk.vmdk", file: 'ovf:chunkSize="65536"' }),
          ...others,
        });
      },
      "its piece 000000001 is missing",
    ],
    [
      "a link for a disk, in an unpacked folder",
      async () => {
        const place = await mkdtemp(join(folder, "ova-"));
        await unpacked({ "a.ovf": descriptor({ href: "disk.vmdk" }) }, place);
        await symlink(image, join(place, "disk.vmdk"));
        return place;
      },
      "listed in the OVF, but missing",
    ],
  ];

  it.each(bad)("with %s is refused", async (_what, make, words) => {
    const file = await make();
    await expect(imported(file, { name: "an-ova" })).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining(words),
    });
  });
});

describe.skipIf(lacking)(title("import of an Oracle VM template"), () => {
  async function template(
    config: string,
    files: Record<string, string> = { "System.img": image },
  ): Promise<string> {
    const place = await mkdtemp(join(folder, "tgz-"));
    await writeFile(join(place, "vm.cfg"), config);
    for (const [name, from] of Object.entries(files)) {
      await mkdir(dirname(join(place, name)), { recursive: true });
      await copyFile(from, join(place, name));
    }
    await host.run(["tar", "-czSf", `${place}.tgz`, "-C", place, "."]);
    return `${place}.tgz`;
  }

  it("unpacked in a folder is imported from there", async () => {
    const place = (await template("bootloader = 'pygrub'\ndisk = ['file:System.img,xvda,w']\n")).slice(0, -4);
    await expectDisks(await imported(place, { name: "from-a-folder" }), image);
  });

  it("as Oracle packs it: in a folder, sparse, its disks named by the paths of another machine", async () => {
    const second = join(folder, "data.img");
    await writeFile(second, Buffer.alloc(1 << 20, "data"));
    const config = `name = 'OVM_OL6U10_x86_64_PVM'
bootloader = '/usr/bin/pygrub'
memory = '1024'
vcpus = 4
disk = ['file:/OVS/running_pool/OVM_OL6/System.img,xvda,w', 'tap:aio:/OVS/x/data.img,xvdb,w!', 'file:/OVS/a.iso,hdc:cdrom,r', 'phy:/dev/sdq,xvdd,w']
vif = ['mac=00:16:3E:00:00:01,bridge=xenbr0']
`;
    const file = await template(config, {
      "OVM_OL6/System.img": image,
      "OVM_OL6/data.img": second,
      "left.img": second,
    });
    const there = await imported(file);
    await expectDisks(there, image, second);
    expect(there.manifest).toMatchObject({
      name: "ovm-ol6u10-x86-64-pvm",
      domainType: "XEN_PVM",
      machine: { vcpus: 4, memoryMib: 1024, nics: ["xenbr0"] },
    });
    expect(there.manifest.disks.map(({ slot, mode }) => [slot, mode])).toEqual([
      ["xvda", undefined],
      ["xvdb", "w!"],
    ]);
    for (const words of ["is a device of another machine", "the drive is empty", "left.img"])
      expect(there.notes.join("\n")).toContain(words);
  });

  it("keeps everything of its vm.cfg in the next bundle", async () => {
    const small = join(folder, "asm.img");
    await writeFile(small, Buffer.alloc(1 << 20, "asm"));
    const lines = [
      "memory = 512",
      "maxmem = 4096",
      "vcpus = 2",
      "maxvcpus = 8",
      "bootloader = '/usr/bin/pygrub'",
      "extra = 'console=hvc0'",
      "disk = ['file:System.img,xvda,w', 'file:asm1.img,xvdd,w!', 'file:ro.img,xvdf,r']",
      "vif = ['mac=00:21:f6:00:00:01,bridge=br0', 'bridge=br1']",
      "OVM_os_type = 'Oracle Linux 6'",
      "OVM_high_availability = True",
    ];
    const file = await template(`name = 'gap'\n${lines.join("\n")}\n`, {
      "System.img": image,
      "asm1.img": small,
      "ro.img": small,
    });
    const { manifest } = await imported(file);
    const place = join(folder, "gap");
    const [bundle] = await packAll(manifest, store, place, ["ovm-tgz"], {});
    const config = await host.run(["tar", "-xzOf", bundle?.file ?? "", "vm.cfg"]);
    for (const line of lines) expect(config.stdout.split("\n")).toContain(line);
    expect(config.stdout).toContain(
      "# It was not verified that it is sealed; it configures itself at first boot",
    );
  });

  it("names a disk that is qcow2, although its vm.cfg says raw, and reads it as qcow2", async () => {
    const packed = join(folder, "packed.img");
    await host.run(["qemu-img", "convert", "-O", "qcow2", image, packed]);
    const file = await template("disk = ['file:System.img,xvda,w']\n", { "System.img": packed });
    const { notes, manifest } = await imported(file);
    expect(notes).toContainEqual(
      expect.stringMatching(/attaches "?System.img"? as raw, but it is a qcow2 image/),
    );
    expect(manifest.disks[0]?.bytes).toBe((await stat(image)).size);
  });

  it.each([
    ["names a disk that is not there", "disk = ['file:Other.img,xvda,w']\n", "not in the archive"],
    ["names no disk", "memory = 1\n", "names no disk"],
    ["names a disk twice", "disk = ['file:System.img,xvda,w', 'file:System.img,xvdb,w']\n", "twice"],
    ["is a program", "disk = [open('/etc/passwd').read()]\n", "is a call"],
  ])("whose vm.cfg %s is refused", async (_what, config, words) => {
    const file = await template(config);
    await expect(imported(file)).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining(words),
    });
  });
});
