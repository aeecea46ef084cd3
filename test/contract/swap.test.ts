import { copyFile, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { repairOperations, sealOperations } from "../../src/guest/seal/index.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { mbr } from "../image/disk-tables.ts";
import { host, sha256Of } from "./dirty-image.ts";

const lacking = missing("mke2fs", "mkswap", "blkid", "qemu-img");
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
    const area = join(folder, "area");
    await host.run(["truncate", "-s", String(swapBytes), area]);
    await host.run(["mkswap", "-q", "-L", "SWAP-sda2", area]);
    await using disk = await open(made, "r+");
    await disk.truncate(swapAt + swapBytes);
    const entries = [
      { type: 0x83, start: 2048, count: 39 * 2048 },
      { type: 0x82, start: swapAt / 512, count: swapBytes / 512 },
    ];
    await disk.write(mbr(entries), 0);
    await disk.write(await readFile(area), 0, swapBytes, swapAt);
    await copyFile(made, used);
    await using second = await open(used, "r+");
    await second.write(Buffer.from("-----BEGIN RSA PRIVATE KEY-----\n"), 0, 32, swapAt + 9 * mib + 77);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const swapOf = async (image: string) => (await readFile(image)).subarray(swapAt);
  const job = { operations: sealOperations(), swap: true };

  it("is made as mkswap made it, by a seal, and comes back by an undo", async () => {
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

  it("is left alone by a repair, and by a seal that was told so", async () => {
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

  it("and all else of a guest that tbuild does not know stays as it is", async () => {
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
