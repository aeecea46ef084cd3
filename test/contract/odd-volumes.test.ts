import { mkdir, mkdtemp, open, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { emptyDisk, extDisk, guestFolder, ol6Guest } from "../guest-image.ts";
import { mbr } from "../image/disk-tables.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const mib = 1048576;
const second = 41;
const needs = ["mke2fs", "e2fsck", "qemu-img", "qemu-storage-daemon", "debugfs", "losetup", "loop", "root"];

const withFstab = (fstab: string) => ({
  ...ol6Guest,
  files: { ...ol6Guest.files, "/etc/fstab": fstab, "/etc/ssh/ssh_host_rsa_key": "a key" },
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-odd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function tbuild(...args: readonly string[]) {
  return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5, 6, 70] });
}

async function bend(file: string, at: number, ...bytes: readonly number[]) {
  await using image = await open(file, "r+");
  await image.write(Buffer.from(bytes), 0, bytes.length, at);
}

describeWith(needs, "a data volume that cannot be read, beside a good root", () => {
  /** The root in the first partition of a disk, which mounts the second as /data. */
  async function diskWithData(name: string, files = {}) {
    const image = join(folder, name);
    const { files: own, ...guest } = withFstab(
      "/dev/sda1 / ext4 defaults 1 1\n/dev/sda2 /data ext4 defaults 0 0\n",
    );
    await extDisk(image, { ...guest, files: { ...own, ...files } }, { mebibytes: second });
    await host.run(["truncate", "-s", `${second + 20}M`, image]);
    await using disk = await open(image, "r+");
    const table = mbr([
      { type: 0x83, start: 2048, count: (second - 1) * 2048 },
      { type: 0x83, start: second * 2048, count: 20 * 2048 },
    ]);
    await disk.write(table, 0);
    const place = `offset=${second * mib}`;
    await host.run(["mke2fs", "-qF", "-t", "ext4", "-O", "^metadata_csum", "-E", place, image, "20M"]);
    return image;
  }

  it.each([
    ["with a feature that nobody knows", 96 + 3, [0x80], "has the feature 0x80000000"],
    ["that is damaged", 40, [0xff, 0xff], "65535 inodes in a group"],
  ] as const)("%s is named and left alone", async (_what, at, bytes, words) => {
    const image = await diskWithData("data.img");
    await bend(image, second * mib + 1024 + at, ...bytes);
    await isSealedBeside(image, "p2 cannot be ", words);
  });

  it("with a feature that only Lustre's kernels mount is named, with the reason against each access method", async () => {
    const image = await diskWithData("lustre.img", { "/data/.keep": "" });
    await bend(image, second * mib + 1024 + 96 + 1, 0x12);
    // Once: it starts User-mode Linux each time.
    const { exitCode, stdout } = await tbuild("seal", "--yes", image);
    expect(exitCode).toBe(6);
    expect(stdout).toContain("not inspected: p2 cannot be opened (ext: has the feature dirdata");
    expect(stdout).toContain("; loop: mount: ");
  });

  it("with garbage makes it unknown whether everything is sealed", async () => {
    const image = await diskWithData("garbage.img");
    await host.run([
      ...["dd", "if=/dev/urandom", `of=${image}`, "bs=1M", `seek=${second}`, "count=20"],
      ...["conv=notrunc", "status=none"],
    ]);
    const { exitCode, stdout } = await tbuild("seal", "--yes", image);
    expect(exitCode).toBe(6);
    expect(stdout).toContain("not inspected: p2 contains unknown data");
    expect(stdout).toContain("/data is /dev/sda2");
  });

  it("that is encrypted, or half of a mirror, is named with a remedy", async () => {
    const luks = await diskWithData("luks.img");
    await bend(luks, second * mib, ...Buffer.from("LUKS\xba\xbe\0\x01", "latin1"));
    await isSealedBeside(luks, "p2 is encrypted with LUKS", "Attach the disk to a machine that can open it");
    const mirror = await diskWithData("mirror.img");
    await bend(mirror, second * mib + 4096, ...superblock(8));
    await isSealedBeside(mirror, "p2 is a member of a Linux software RAID", "mdadm --assemble --scan");
  });

  it("is left out if the guest has no folder for it and our kernel cannot open it", async () => {
    const image = await diskWithData("xfs.img");
    const volume = join(folder, "xfs");
    await host.run(["truncate", "-s", "300M", volume]);
    await host.run(["mkfs.xfs", "-q", volume]);
    await host.run(["truncate", "-s", `${second + 300}M`, image]);
    const parts = [{ type: 0x83, start: 2048, count: (second - 1) * 2048 }];
    await bend(image, 0, ...mbr([...parts, { type: 0x83, start: second * 2048, count: 300 * 2048 }]));
    await host.run(["dd", `if=${volume}`, `of=${image}`, "bs=1M", `seek=${second}`, "conv=notrunc,sparse"]);
    await isSealedBeside(image, "p2 was not mounted: the guest has no folder /data", "");
  });

  it("but a whole disk that is a RAID member is always refused", async () => {
    const image = await diskWithData("whole.img");
    const { size } = await stat(image);
    await host.run(["truncate", "-s", String(size + mib), image]);
    const place = Math.floor((size + mib) / 4096) * 4096 - 8192;
    await bend(image, place, ...superblock(place / 512));
    const before = await sha256Of(image);
    for (const flags of [[], ["--allow-unmounted"]]) {
      const { exitCode, stderr } = await tbuild("seal", "--yes", ...flags, image);
      expect(exitCode).toBe(3);
      expect(stderr).toContain("disk is a member of a Linux software RAID (MD), but contains other volumes");
    }
    expect(await sha256Of(image)).toBe(before);
  });

  /** The root is sealed, the volume is named, and the image is not called sealed; undo restores every byte. */
  async function isSealedBeside(image: string, named: string, words: string) {
    const before = await sha256Of(image);
    const sealed = await tbuild("seal", "--yes", image);
    expect(sealed.exitCode, sealed.stderr).toBe(6);
    expect(sealed.stdout).toContain(`not inspected: ${named}`);
    expect(sealed.stdout).toContain(words);
    expect(sealed.stdout).not.toContain("garbage collection");
    const checked = await tbuild("seal", "--check", image);
    expect(checked.exitCode).toBe(6);
    expect(checked.stdout).toContain("nothing is pending in the inspected volumes; p2");
    const allowed = await tbuild("seal", "--check", "--json", "--allow-unmounted", image);
    expect(allowed.exitCode).toBe(0);
    expect(JSON.parse(allowed.stdout)).toMatchObject({
      sealed: "unknown",
      others: [{ name: "p2", state: "unknown" }],
    });
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
    const repaired = await tbuild("repair", "--plan", image);
    expect(repaired.exitCode, repaired.stderr).toBe(0);
    expect(repaired.stdout).toContain("not inspected: p2");
  }

  // Of MD 1.x: magic, version, and its own place in sectors.
  function superblock(sector: number): Buffer {
    const block = Buffer.alloc(256);
    block.writeUInt32LE(0xa92b4efc, 0);
    block.writeUInt32LE(1, 4);
    block.writeBigUInt64LE(BigInt(sector), 144);
    return block;
  }
});

describeWith([...needs, "linux.uml"], "a root with a feature that no access method here opens", () => {
  it("is refused with the feature's name, and with the reason for each method, including the kernel's", async () => {
    const image = join(folder, "dirdata.img");
    const options = ["-t", "ext4", "-O", "^metadata_csum"];
    await extDisk(image, withFstab("/dev/sda1 / ext4 defaults 1 1\n"), { options });
    await bend(image, mib + 1024 + 96 + 1, 0x12);
    const before = await sha256Of(image);
    const { exitCode, stderr } = await tbuild("seal", "--yes", image);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("no readable volume has an /etc/fstab: p1: ext: has the feature dirdata");
    for (const why of [
      "direct: ext: has the feature dirdata",
      "debugfs: ext: has the feature dirdata",
      "loop: mount: ",
      "kpartx: ",
      "uml: EXT4-fs (ubda1): Couldn't mount",
      "guestfish: ",
    ])
      expect(stderr.split(`\n  ${why}`), why).toHaveLength(2);
    expect(stderr).toContain("run tbuild as root on a machine whose kernel mounts this file system");
    expect(await sha256Of(image)).toBe(before);
  });
});

describeWith(needs, "a qcow2 image", () => {
  let raw = "";
  beforeAll(async () => {
    raw = join(folder, "raw.img");
    await extDisk(raw, withFstab("/dev/sda1 / ext4 defaults 1 1\n"));
  });

  it("compressed with zstd, in subclusters, is sealed, stays sound, and is undone", async () => {
    const image = join(folder, "disk.qcow2");
    const packed = ["-c", "-o", "compression_type=zstd,extended_l2=on"];
    await host.run(["qemu-img", "convert", "-O", "qcow2", ...packed, raw, image]);
    await isSealedAs(image, 0);
  });

  it("with snapshots inside is sealed, and they are named with a remedy", async () => {
    const image = join(folder, "snapshots.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", raw, image]);
    for (const name of ["before the patch", "two"])
      await host.run(["qemu-img", "snapshot", "-c", name, image]);
    const { stdout } = await isSealedAs(image, 6);
    expect(stdout).toContain(
      "not inspected: the snapshot before the patch contains an old state of the disk\n",
    );
    expect(stdout).toContain("not inspected: the snapshot two contains");
    const [command = ""] = /qemu-img convert .*/.exec(stdout) ?? [];
    await tbuild("seal", "--yes", image);
    await host.run(["sh", "-c", command]);
    expect((await tbuild("seal", "--check", `${image}.new`)).exitCode).toBe(0);
  });

  it.each([
    ["too many", 60, [0xff, 0xff, 0xff, 0xff]],
    ["one behind the end of the file", 64, [0, 1, 0, 0]],
  ] as const)("whose table of snapshots says %s is damaged", async (_what, at, bytes) => {
    const image = join(folder, "bent.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", raw, image]);
    await host.run(["qemu-img", "snapshot", "-c", "one", image]);
    await bend(image, at, ...bytes);
    const { exitCode, stderr } = await tbuild("seal", "--check", image);
    expect(exitCode).toBe(5);
    expect(stderr).toContain("its table of snapshots is damaged");
  });

  it("on a backing file is sealed, and that file counts as not inspected", async () => {
    const image = join(folder, "overlay.qcow2");
    await host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", image]);
    const { stdout } = await isSealedAs(image, 6);
    expect(stdout).toContain(`not inspected: the backing file ${raw}`);
    expect(stdout).toContain("qemu-img convert");
    const accepted = await tbuild("seal", "--yes", "--allow-unmounted", image);
    expect(accepted.exitCode).toBe(0);
    expect((await tbuild("seal", "--check", "--residue", image)).exitCode).toBe(6);
  });

  /** Checks that it is sealed with this exit code, is sound, and is restored to the byte by undo. Returns the seal's output. */
  async function isSealedAs(image: string, code: number) {
    const before = await sha256Of(image);
    const sealed = await tbuild("seal", "--yes", image);
    expect(sealed.exitCode, sealed.stderr).toBe(code);
    await host.run(["qemu-img", "check", "-q", image]);
    expect((await tbuild("seal", "--check", image)).exitCode).toBe(code);
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
    return sealed;
  }

  it("with its data in another file is refused, and neither is changed", async () => {
    const [image, data] = [join(folder, "outside.qcow2"), join(folder, "outside.raw")];
    const options = ["-o", `data_file=${data},data_file_raw=on`];
    await host.run(["qemu-img", "create", "-q", "-f", "qcow2", ...options, image, "40M"]);
    await host.run(["qemu-img", "convert", "-n", "-O", "qcow2", raw, image]);
    const before = [await sha256Of(image), await sha256Of(data)];
    const { exitCode, stderr } = await tbuild("seal", "--yes", image);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("a qcow2 image with its data in another file");
    expect([await sha256Of(image), await sha256Of(data)]).toEqual(before);
  });
});

describeWith(needs, "an ext with its journal on another device", () => {
  it("is sealed if its journal is empty, and refused by name otherwise", async () => {
    const [image, journal] = [join(folder, "outer.img"), join(folder, "journal")];
    const root = await guestFolder(withFstab("/dev/sda1 / ext4 defaults 1 1\n"));
    await host.run(["truncate", "-s", "16M", journal]);
    await emptyDisk(image, 41);
    const loop = async (...args: readonly string[]) =>
      (await host.run(["losetup", "-f", "--show", ...args])).stdout.trim();
    const device = await loop(journal);
    const volume = await loop("-o", String(mib), image);
    try {
      await host.run(["mke2fs", "-qF", "-O", "journal_dev", "-b", "4096", device]);
      const ext = ["-t", "ext4", "-b", "4096", "-O", "^metadata_csum", "-J", `device=${device}`];
      await host.run(["mke2fs", "-qF", ...ext, "-d", root, volume]);
    } finally {
      for (const one of [device, volume]) await host.run(["losetup", "-d", one]);
    }
    const before = await sha256Of(image);
    const sealed = await tbuild("seal", "--yes", image);
    expect(sealed.exitCode, sealed.stderr).toBe(0);
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
    // needs_recovery, which a kernel sets when it mounts.
    await using file = await open(image, "r");
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, mib + 1024 + 96);
    await bend(image, mib + 1024 + 96, (buffer[0] ?? 0) | 0x4);
    const dirty = await sha256Of(image);
    const refused = await tbuild("seal", "--yes", image);
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toContain("p1: has an external journal");
    expect(await sha256Of(image)).toBe(dirty);
  });
});

describeWith([...needs, "mkfs.btrfs", "mount"], "a guest on btrfs", () => {
  it("is sealed although its fstab names a missing subvolume", async () => {
    const [volume, at, image] = ["volume", "at", "btrfs.img"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const fstab = ["/dev/sda1 / btrfs subvol=root 0 0", "/dev/sda1 /data btrfs subvol=gone 0 0"];
    const root = await guestFolder(withFstab(`${fstab.join("\n")}\n`));
    await mkdir(join(root, "data"));
    await writeFile(volume, "");
    await mkdir(at);
    await host.run(["truncate", "-s", "320M", volume]);
    await host.run(["mkfs.btrfs", "-q", volume]);
    await host.run(["mount", "-o", "loop", volume, at]);
    try {
      await host.run(["btrfs", "subvolume", "create", join(at, "root")]);
      await host.run(["cp", "-a", `${root}/.`, join(at, "root")]);
    } finally {
      await unmountImage(at);
    }
    await emptyDisk(image, 321);
    const copy = ["bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"];
    await host.run(["dd", `if=${volume}`, `of=${image}`, ...copy]);
    const before = await sha256Of(image);
    const { exitCode, stdout, stderr } = await tbuild("seal", "--yes", image);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain("/etc/fstab:2: /data is /dev/sda1, which has no subvolume gone");
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
  });
});
