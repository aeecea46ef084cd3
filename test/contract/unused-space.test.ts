import { copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { undoLast } from "../../src/image/change/undo.ts";
import { missing, titled } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const mib = 1 << 20;
const job = { operations: sealOperations(), swap: true };
const secret = "-----BEGIN RSA PRIVATE KEY-----\n";
// A key can be longer than its block.
const key = Buffer.from(secret + "body of a private key\n".repeat(300));

const lacking = missing("mke2fs", "e2fsck", "sfdisk", "qemu-img", "qemu-io", "root", "loop", "pvcreate");

describe.skipIf(lacking !== undefined)(titled("space in no file system", lacking), () => {
  let folder = "";
  let mbrDisk = "";
  let gptDisk = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-unused-"));
    [mbrDisk, gptDisk] = [join(folder, "mbr.img"), join(folder, "gpt.img")];
    await guestDisk(mbrDisk, 90, [
      "label: dos",
      "start=2048, size=56M, type=83",
      `start=${62 * 2048}, size=4M, type=83`,
      `start=${66 * 2048}, size=8M, type=8e`,
      `start=${74 * 2048}, size=14M, type=5`,
      `start=${76 * 2048}, size=4M, type=83`,
    ]);
    await writeInto(mbrDisk, [[66 * mib, await physicalVolume()]]);
    await guestDisk(gptDisk, 70, [
      "label: gpt",
      "start=2048, size=56M, type=linux",
      `start=${58 * 2048}, size=1M, type=21686148-6449-6E6F-744E-656564454649`,
      `start=${60 * 2048}, size=4M, type=linux`,
    ]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  // The file system is shorter than its partition.
  async function guestDisk(image: string, mebibytes: number, table: readonly string[], fstab = "") {
    const files = { ...ol6Guest.files, "/etc/fstab": `/dev/sda1 / ext4 defaults 1 1\n${fstab}` };
    await extDisk(image, { ...ol6Guest, files }, { mebibytes: 51 });
    await truncate(image, mebibytes * mib);
    await writeFile(`${image}.table`, `${table.join("\n")}\n`);
    await host.run(["sh", "-c", 'exec sfdisk -q --wipe never "$1" <"$1.table"', "sh", image]);
  }

  // Extents of 1 MiB from 1 MiB on: root has 0, hole was 1, top has 2.
  async function physicalVolume(): Promise<Buffer> {
    const file = join(folder, "physical");
    await host.run(["truncate", "-s", "8M", file]);
    const loop = (await host.run(["losetup", "-f", "--show", file])).stdout.trim();
    const lvm = (...argv: string[]) => host.run(["lvm", ...argv, "--driverloaded", "n", "--devices", loop]);
    const create = (name: string) =>
      lvm(...["lvcreate", "-y", "-an", "-Zn", "-Wn", "-l", "1", "-n", name, "vg-a"]);
    try {
      await lvm("pvcreate", "-y", loop);
      await lvm("vgcreate", "-s", "1M", "vg-a", loop);
      for (const name of ["root", "hole", "top"]) await create(name);
      await lvm("lvremove", "-y", "vg-a/hole");
    } finally {
      await host.run(["losetup", "-d", loop]);
    }
    return await readFile(file);
  }

  async function writeInto(image: string, pieces: readonly (readonly [number, Uint8Array])[]) {
    await using disk = await open(image, "r+");
    for (const [at, data] of pieces) await disk.write(data, 0, data.length, at);
  }

  async function copyOf(image: string, keysAt: readonly number[]): Promise<string> {
    const copy = join(folder, "copy.img");
    await copyFile(image, copy);
    await writeInto(
      copy,
      keysAt.map((at) => [at, key]),
    );
    return copy;
  }

  const foundIn = async (image: string) =>
    (await checkImage(host, image, { ...job, residue: true })).classes.find(({ name }) => name === "SSH keys")
      ?.why ?? [];

  async function scrub(image: string) {
    await using planned = await planJob(host, image, { ...job, scrub: true });
    await planned.apply("seal");
    if (image.endsWith(".img")) await host.run(["e2fsck", "-fn", `${image}?offset=${mib}`]);
    return planned.result;
  }

  it.each([
    [
      "an MBR and LVM",
      () => mbrDisk,
      [
        ["the gap after p1", 58 * mib],
        ["the gap after p1", 62 * mib - key.length],
        ["the gap after p3", 74 * mib + 512],
        ["the gap after p5", 84 * mib],
        ["the gap after p5", 90 * mib - key.length],
        ["p2, which contains no file system", 63 * mib + 3584],
        ["the space after the file system of p1", 54 * mib],
        ["the free extents of vg-a", 68 * mib],
        ["the free extents of vg-a", 72 * mib],
      ],
    ],
    [
      "a GPT",
      () => gptDisk,
      [
        ["the gap after p1", 57 * mib],
        ["the gap after p3", 70 * mib - 33 * 512 - key.length],
        ["p3, which contains no file system", 60 * mib],
      ],
    ],
  ] as const)("of %s is searched, cleared by a scrub, and restored by an undo", async (_what, disk, keys) => {
    const image = await copyOf(
      disk(),
      keys.map(([, at]) => at),
    );
    const digest = await sha256Of(image);
    const counts = new Map<string, number>();
    for (const [place] of keys) counts.set(place, (counts.get(place) ?? 0) + 1);
    expect(new Set(await foundIn(image))).toEqual(
      new Set(
        [...counts].map(([place, count]) => `${count} ${count === 1 ? "block" : "blocks"} in ${place}`),
      ),
    );
    const { classes } = await scrub(image);
    expect(classes.find(({ name }) => name === "SSH keys")?.state).toBe("reset");
    expect(classes.find(({ name }) => name === "unused space")).toBeUndefined();
    // The file system ends at 51 MiB; the table and a boot loader come before it.
    const [now, made] = [await readFile(image), await readFile(disk())];
    expect(now.subarray(0, mib).equals(made.subarray(0, mib))).toBe(true);
    expect(now.subarray(51 * mib).equals(made.subarray(51 * mib))).toBe(true);
    expect(await foundIn(image)).toEqual([]);
    await undoLast(image);
    expect(await sha256Of(image)).toBe(digest);
  });

  it("is searched in a qcow2, too", async () => {
    const [image, raw] = [join(folder, "disk.qcow2"), await copyOf(mbrDisk, [58 * mib])];
    await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]);
    expect(await foundIn(image)).toEqual(["1 block in the gap after p1"]);
  });

  it("is cleared in a qcow2, including free clusters of the file", async () => {
    const [image, raw] = [join(folder, "scrubbed.qcow2"), await copyOf(mbrDisk, [58 * mib])];
    await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]);
    // A discard leaves the old data in the file.
    await writeFile(`${image}.key`, key.subarray(0, 4096));
    const io = (...argv: string[]) => host.run(["qemu-io", "-f", "qcow2", ...argv, image]);
    await io("-c", `write -s ${image}.key ${59 * mib} 4096`);
    await io("-d", "unmap", "-c", `discard ${59 * mib} 65536`);
    expect((await readFile(image)).includes(key.subarray(0, 4096))).toBe(true);
    const digest = await sha256Of(image);
    await scrub(image);
    expect(await foundIn(image)).toEqual([]);
    expect((await readFile(image)).includes(secret)).toBe(false);
    await host.run(["qemu-img", "check", image]);
    await undoLast(image);
    expect(await sha256Of(image)).toBe(digest);
  });

  it("is not cleared in a qcow2 with compressed clusters, because the data would stay", async () => {
    const [image, raw] = [join(folder, "packed.qcow2"), await copyOf(mbrDisk, [58 * mib])];
    await host.run(["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, image]);
    await expect(scrub(image)).rejects.toThrow("has compressed clusters");
  });

  it("that is a partition with only a key is empty afterwards, and the guest is known to be sealed", async () => {
    const image = join(folder, "alone.img");
    await guestDisk(image, 64, ["label: dos", "start=2048, size=56M", `start=${58 * 2048}`]);
    await writeInto(image, [[59 * mib, key]]);
    const before = (await checkImage(host, image, job)).others;
    expect(before).toMatchObject([{ name: "p2", state: "unknown" }]);
    expect((await scrub(image)).others).toMatchObject([{ name: "p2", state: "nothing", why: "is empty" }]);
    expect((await checkImage(host, image, job)).others).toMatchObject([{ name: "p2", state: "nothing" }]);
  });

  it("before the first partition is searched, and stays unchanged", async () => {
    const image = await copyOf(mbrDisk, [64 * 512]);
    expect(await foundIn(image)).toEqual(["1 block in the area before the first partition"]);
    const { classes } = await scrub(image);
    expect(classes.find(({ name }) => name === "unused space")).toEqual({
      name: "unused space",
      state: "left",
      why: ["the area before the first partition is not cleared: it may contain a boot loader"],
    });
    expect((await readFile(image)).subarray(64 * 512, 64 * 512 + key.length).equals(key)).toBe(true);
  });

  it("does not include boot loaders, volumes in use and LVM's own areas", async () => {
    const places = [
      [gptDisk, 58 * mib],
      [mbrDisk, 66 * mib + 512 * 1024],
      [gptDisk, 70 * mib - 20 * 512],
    ] as const;
    for (const [disk, at] of places) {
      const image = await copyOf(disk, []);
      await writeInto(image, [[at, Buffer.from(secret)]]);
      await scrub(image);
      expect((await readFile(image)).subarray(at, at + secret.length).toString()).toBe(secret);
    }
  });

  it.each([
    ["/etc/fstab names it", "/dev/sda2 swap swap defaults 0 0\n"],
    ["/etc/fstab:2 names UUID=1-2, which may be this volume", "UUID=1-2 /data ext4 nofail 0 0\n"],
  ])("that is in use is not searched: %s", async (why, fstab) => {
    const image = join(folder, "named.img");
    await guestDisk(image, 64, ["label: dos", "start=2048, size=56M", `start=${58 * 2048}`], fstab);
    await writeInto(image, [[59 * mib, key]]);
    const unsearched = {
      name: "unused space",
      state: "unknown",
      why: [`p2, which contains no file system was not searched: ${why}`],
    };
    expect((await checkImage(host, image, { ...job, residue: true })).classes).toContainEqual(unsearched);
    expect((await scrub(image)).classes).toContainEqual(unsearched);
    expect((await readFile(image)).includes(key)).toBe(true);
  });

  it("without content is not reported as unsearched, even if it is in use", async () => {
    const image = join(folder, "empty.img");
    const fstab = "/dev/sda2 swap swap defaults 0 0\n";
    await guestDisk(image, 64, ["label: dos", "start=2048, size=56M", `start=${58 * 2048}`], fstab);
    for (const { classes } of [await checkImage(host, image, { ...job, residue: true }), await scrub(image)])
      expect(classes.find(({ name }) => name === "unused space")).toBeUndefined();
  });

  it("of a disk whose table is damaged is not searched", async () => {
    const image = await copyOf(gptDisk, [57 * mib]);
    await writeInto(image, [[512, Buffer.alloc(512)]]);
    const { classes } = await checkImage(host, image, { ...job, residue: true });
    expect(classes.find(({ name }) => name === "unused space")?.why).toEqual([
      "the space outside partitions was not searched: the partition table is damaged",
    ]);
  });

  it("that a RAID claims is not searched", async () => {
    const image = await copyOf(mbrDisk, [58 * mib]);
    const md = Buffer.alloc(160);
    md.writeUInt32LE(0xa92b4efc, 0);
    md.writeUInt32LE(1, 4);
    await writeInto(image, [[57 * mib, md]]);
    const { classes } = await scrub(image);
    expect(classes.find(({ name }) => name === "unused space")?.why).toEqual([
      "the gap after p1 was not searched: it is a member of a Linux software RAID (MD)",
    ]);
    expect((await readFile(image)).includes(key)).toBe(true);
  });
});
