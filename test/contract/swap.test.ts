import { copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { repairOperations, sealOperations } from "../../src/guest/seal/index.ts";
import type { Volume } from "../../src/image/access.ts";
import { findSwapFiles } from "../../src/image/change/swap-files.ts";
import { undoLast } from "../../src/image/change/undo.ts";
import { swapAreaIn } from "../../src/image/disk/swap.ts";
import { fileReader, type Reader } from "../../src/io/reader.ts";
import { describeWith, missing } from "../fakes/missing.ts";
import { addSwap, emptyDisk, extDisk, guestFolder, ol6Guest, putIntoPartition } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const lacking = missing("mke2fs", "mkswap", "blkid", "debugfs", "qemu-img");
const mib = 1 << 20;
const [swapAt, swapBytes] = [40 * mib, 20 * mib];

describe.skipIf(lacking !== undefined)(`swap${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let made = "";
  let used = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-swap-"));
    [made, used] = [join(folder, "made.img"), join(folder, "used.img")];
    await extDisk(made, ol6Guest, { mebibytes: 40 });
    await addSwap(made, { at: swapAt, bytes: swapBytes, options: ["-L", "SWAP-sda2"] });
    await copyFile(made, used);
    await using second = await open(used, "r+");
    await second.write(Buffer.from("-----BEGIN RSA PRIVATE KEY-----\n"), 0, 32, swapAt + 9 * mib + 77);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const swapOf = async (image: string) => (await readFile(image)).subarray(swapAt);
  const job = { operations: sealOperations(), swap: true };

  it("is recreated by a seal as mkswap made it, and restored by an undo", async () => {
    const image = join(folder, "sealed.img");
    await copyFile(used, image);
    const before = await checkImage(host, image, { ...job, residue: true });
    expect(before.pending.find(({ name }) => name === "swap")?.done).toEqual(["p2: 4 KiB of memory"]);
    expect(before.classes.find(({ name }) => name === "SSH keys")?.why).toContain("1 block of swap");
    await using planned = await planJob(host, image, job);
    const record = await planned.apply("seal");
    expect((await swapOf(image)).equals(await swapOf(made))).toBe(true);
    expect((await swapOf(image)).equals(await swapOf(used))).toBe(false);
    expect(record.bytes).toBeLessThan(100 * 1024);
    const after = await checkImage(host, image, { ...job, residue: true });
    expect(after.pending).toEqual([]);
    const { stdout } = await host.run(["blkid", "-p", "-O", String(swapAt), "-S", String(swapBytes), image]);
    expect(stdout).toMatch(/LABEL="SWAP-sda2".* TYPE="swap"/);
  });

  it("in a qcow2 is made new, too", async () => {
    const [image, flat] = [join(folder, "sealed.qcow2"), join(folder, "flat.img")];
    await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", used, image]);
    await using planned = await planJob(host, image, job);
    await planned.apply("seal");
    await host.run(["qemu-img", "convert", "-O", "raw", image, flat]);
    expect((await swapOf(flat)).equals(await swapOf(made))).toBe(true);
  });

  it("is left alone by a repair, and by a seal that skips it", async () => {
    const image = join(folder, "kept.img");
    await copyFile(used, image);
    for (const left of [
      { operations: repairOperations({}) },
      { operations: sealOperations(), swap: false },
    ]) {
      await using planned = await planJob(host, image, left);
      await planned.apply("x");
      expect((await swapOf(image)).equals(await swapOf(used))).toBe(true);
    }
  });

  describe("in a file", () => {
    const secret = "-----BEGIN RSA PRIVATE KEY-----\n";
    const fstab = "/dev/sda1 / ext4 defaults 1 1\n/var/swap\\040file swap swap defaults 0 0\n";

    async function diskWithFile(image: string, options = ["-t", "ext4"], mebibytes = 40) {
      const area = join(folder, "file");
      await host.run(["truncate", "-s", "3M", area]);
      await host.run(["mkswap", "-q", "-L", "in-file", area]);
      const header = (await readFile(area)).subarray(0, 4096);
      const data = Buffer.alloc(3 * mib, 7);
      // The rest of its page is not zero either, because mke2fs makes holes of zeros, which no swap file has.
      header.copy(data, 1024, 1024, 1068);
      header.copy(data, 4086, 4086);
      data.write(secret, 2 * mib);
      const files = { ...ol6Guest.files, "/etc/fstab": fstab, "/var/swap file": { data, mode: 0o600 } };
      await extDisk(image, { ...ol6Guest, files }, { options, mebibytes });
      return Buffer.concat([header, Buffer.alloc(3 * mib - 4096)]);
    }

    it.each([
      ["ext4", ["-t", "ext4"]],
      ["ext3 with blocks of 1 KiB", ["-t", "ext3", "-b", "1024"]],
    ] as const)("on %s is recreated by a seal, and restored by an undo", async (_fs, options) => {
      const image = join(folder, "file.img");
      const fresh = await diskWithFile(image, [...options]);
      const digest = await sha256Of(image);
      const before = await checkImage(host, image, { ...job, residue: true });
      expect(before.pending.find(({ name }) => name === "swap")?.done).toEqual([
        "/var/swap file: 3072 KiB of memory",
      ]);
      expect(before.classes.find(({ name }) => name === "SSH keys")?.why).toContain("1 block of swap");
      {
        await using planned = await planJob(host, image, job);
        expect(planned.result.classes.find(({ name }) => name === "swapped memory")?.state).toBe("reset");
        await planned.apply("seal");
      }
      const out = join(folder, "out");
      await host.run(["debugfs", "-R", `dump "/var/swap file" ${out}`, `${image}?offset=${mib}`]);
      expect((await readFile(out)).equals(fresh)).toBe(true);
      await host.run(["e2fsck", "-fn", `${image}?offset=${mib}`]);
      expect((await checkImage(host, image, { ...job, residue: true })).pending).toEqual([]);
      await undoLast(image);
      expect(await sha256Of(image)).toBe(digest);
    });

    describeWith(["root", "loop", "mount", "losetup", "chattr", "mkfs.xfs", "mkfs.btrfs"], "on", () => {
      it.each(["xfs", "btrfs"])("%s is recreated by a seal, and restored by an undo", async (fs) => {
        const [image, volume, at] = [join(folder, `${fs}.img`), join(folder, fs), join(folder, `${fs}.at`)];
        const files = {
          ...ol6Guest.files,
          "/etc/fstab": `/dev/sda1 / ${fs} defaults 0 0\n/swap none swap\n`,
        };
        const guest = await guestFolder({ ...ol6Guest, files });
        await host.run(["truncate", "-s", "320M", volume]);
        await host.run([`mkfs.${fs}`, "-q", volume]);
        await mkdir(at);
        const mounted = async (script: string) => {
          await host.run(["mount", "-o", "loop", volume, at]);
          try {
            await host.run(["bash", "-ec", script, "bash", at, guest]);
          } finally {
            await unmountImage(at);
          }
        };
        await mounted(`cp -a "$2/." "$1"; touch "$1/swap"; chattr +C "$1/swap" 2>&1 || true
          for i in {1..30000}; do echo "-----BEGIN RSA PRIVATE KEY-----"; done > "$1/swap"
          fallocate -l 3M "$1/swap"; mkswap -q -L in-file "$1/swap"`);
        await rm(guest, { recursive: true });
        await emptyDisk(image, 321);
        await putIntoPartition(image, volume);
        const digest = await sha256Of(image);
        const found = await checkImage(host, image, { ...job, residue: true });
        expect(found.pending.find(({ name }) => name === "swap")?.done).toEqual([
          expect.stringMatching(/^\/swap: 9\d\d KiB of memory$/),
        ]);
        const { why } = found.classes.find(({ name }) => name === "SSH keys") ?? {};
        expect(why).toEqual([expect.stringMatching(/^2\d\d blocks of swap$/)]);
        {
          await using planned = await planJob(host, image, job);
          expect(planned.result.classes.find(({ name }) => name === "swapped memory")?.state).toBe("reset");
          await planned.apply("seal");
        }
        expect((await readFile(image)).includes(secret)).toBe(false);
        await host.run(["dd", `if=${image}`, `of=${volume}`, "bs=1M", "skip=1", "count=320", "status=none"]);
        await host.run(fs === "xfs" ? ["xfs_repair", "-n", volume] : ["btrfs", "check", "-q", volume]);
        await mounted('cp "$1/swap" "$1/../area"');
        const area = await readFile(join(folder, "area"));
        expect(swapAreaIn(area.subarray(0, 65536))?.label).toBe("in-file");
        expect(area.subarray(4096).every((byte) => byte === 0)).toBe(true);
        await undoLast(image);
        expect(await sha256Of(image)).toBe(digest);
      });
    });

    it("is found on a volume in several pieces", async () => {
      const [image, cut] = [join(folder, "whole.img"), join(folder, "cut.img")];
      await diskWithFile(image);
      const whole = (await readFile(image)).subarray(mib);
      const out = join(folder, "out");
      await host.run(["debugfs", "-R", `dump "/var/swap file" ${out}`, `${image}?offset=${mib}`]);
      const expected = await readFile(out);
      const paths = ["/var/swap file"];
      const find = async (reader: Reader, volume: Volume) =>
        (await findSwapFiles(reader, [{ at: "/", volume }], paths)).files[0]?.pieces ?? [];
      await using disk = await fileReader(image);
      const volume = { name: "p1", offset: mib, bytes: whole.length, fs: "ext4" } as const;
      // Cut in the middle of the file; the second part comes first.
      const first = (await find(disk, volume))[0]?.offset ?? 0;
      await writeFile(cut, Buffer.concat([whole.subarray(first), whole.subarray(0, first)]));
      await using other = await fileReader(cut);
      const rest = whole.length - first;
      const pieces = [
        { offset: rest, bytes: first },
        { offset: 0, bytes: rest },
      ];
      const found = await find(other, { ...volume, offset: rest, pieces });
      expect(found.length).toBeGreaterThan(1);
      const parts = await Promise.all(found.map(({ offset, bytes }) => other.read(offset, bytes)));
      expect(Buffer.concat(parts).equals(expected)).toBe(true);
    });

    it("is not a file that is too large to search", async () => {
      const image = join(folder, "large.img");
      const area = join(folder, "area");
      await host.run(["truncate", "-s", "17M", area]);
      await host.run(["mkswap", "-q", area]);
      const data = Buffer.alloc(17 * mib, 7);
      const header = await readFile(area);
      header.copy(data, 1024, 1024, 1068);
      header.copy(data, 4086, 4086, 4096);
      const files = { ...ol6Guest.files, "/etc/fstab": fstab, "/var/swap file": { data } };
      await extDisk(image, { ...ol6Guest, files });
      const { leftovers, classes } = await checkImage(host, image, { ...job, search: { keep: [] } });
      expect([leftovers?.tooLarge, leftovers?.limits.filter((one) => /large/.test(one))]).toEqual([[], []]);
      expect(classes).toContainEqual(expect.objectContaining({ name: "swapped memory", state: "left" }));
    });

    it("in a qcow2 is made new, too", async () => {
      const [image, raw] = [join(folder, "file.qcow2"), join(folder, "file.img")];
      const fresh = await diskWithFile(raw);
      await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]);
      await using planned = await planJob(host, image, job);
      await planned.apply("seal");
      await host.run(["qemu-img", "convert", "-O", "raw", image, raw]);
      const data = await readFile(raw);
      expect(data.includes(secret)).toBe(false);
      expect(data.includes(fresh.subarray(0, 4096))).toBe(true);
    });

    it("whose blocks cannot be found is unknown, and stays unchanged", async () => {
      const image = join(folder, "file.img");
      await diskWithFile(image);
      await host.run(["debugfs", "-w", "-R", 'punch "/var/swap file" 100 101', `${image}?offset=${mib}`]);
      const found = await checkImage(host, image, job);
      expect(found.classes.find(({ name }) => name === "swapped memory")).toEqual({
        name: "swapped memory",
        state: "unknown",
        why: ["/var/swap file: is a swap file with holes"],
      });
      await using planned = await planJob(host, image, job);
      await planned.apply("seal");
      expect((await readFile(image)).includes(secret)).toBe(true);
    });
  });

  it("and everything else of an unknown guest stays unchanged", async () => {
    const image = join(folder, "fedora.img");
    const release = { "/etc/oracle-release": "", "/etc/redhat-release": "Fedora release 8 (Werewolf)\n" };
    await extDisk(image, { ...ol6Guest, files: { ...ol6Guest.files, ...release } });
    const digest = await sha256Of(image);
    await expect(planJob(host, image, job)).rejects.toThrow("is Fedora release 8 (Werewolf)");
    expect(await sha256Of(image)).toBe(digest);
    await using planned = await planJob(host, image, { ...job, as: 6 });
    expect(planned.result.release.name).toBe("Fedora release 8 (Werewolf), treated as Oracle Linux 6");
  });
});
