import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import type { Host } from "../../src/host/host.ts";
import { undoRecords } from "../../src/image/change/undo.ts";
import { faultsOf } from "../../src/image/ext/e2fsck.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest, xfsDisk } from "../guest-image.ts";
import { host, sha256Of, start } from "./dirty-image.ts";

const lacking = missing(
  "mke2fs",
  "e2fsck",
  "debugfs",
  "mkfs.xfs",
  "xfs_repair",
  "mount",
  "losetup",
  "loop",
  "root",
);

describe.skipIf(lacking !== undefined)(`--fsck${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let ext = "";
  let xfs = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-fsck-"));
    [ext, xfs] = [join(folder, "ext.img"), join(folder, "xfs.img")];
    await extDisk(ext, ol6Guest);
    await xfsDisk(xfs, ol6Guest);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function seal(image: string, on: Host = host): Promise<void> {
    await using planned = await planJob(on, image, { operations: sealOperations() }, { fsck: true });
    await planned.apply("seal");
  }

  it("lets a sound guest be sealed, on ext and on XFS", async () => {
    for (const whole of [ext, xfs]) {
      const image = join(folder, "whole.img");
      await copyFile(whole, image);
      await seal(image);
      expect(await undoRecords(image)).toHaveLength(1);
      await rm(`${image}.tbuild-undo-1`);
    }
  });

  it("stops when e2fsck would restart forever", async () => {
    const image = join(folder, "restarting.img");
    // Without a copy, the lost place of an inode table can only be repaired by a write.
    const options = ["-O", "sparse_super2,^resize_inode", "-E", "num_backup_sb=0"];
    await host.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", ...options, image, "20M"]);
    await host.run(["debugfs", "-w", "-R", "set_block_group 1 inode_table 0", image]);
    const found = await faultsOf(host, image);
    expect(found).toContain("Inode table for group 1 is not in group.  (block 0)");
    expect(found.at(-1)).toBe("e2fsck was stopped there");
  });

  it("names the faults of a damaged one, and leaves it unchanged", async () => {
    const image = join(folder, "damaged.img");
    await copyFile(ext, image);
    await host.run(["debugfs", "-w", "-R", "sif /etc/fstab links_count 9", `${image}?offset=${start}`]);
    await expectRefused(image, [expect.stringContaining("ref count is 9, should be 1")]);
    await copyFile(xfs, image);
    const [inside, at] = [join(folder, "inside"), ["bs=1M", "conv=notrunc,sparse", "status=none"]];
    await host.run(["dd", `if=${image}`, `of=${inside}`, "skip=1", ...at]);
    const links = ["inode 128", "write -d core.nlinkv2 99"].flatMap((command) => ["-c", command]);
    await host.run(["xfs_db", "-x", ...links, inside]);
    await host.run(["dd", `if=${inside}`, `of=${image}`, "seek=1", ...at]);
    await expectRefused(image, expect.arrayContaining([expect.stringContaining("nlinks from 99")]));
  });

  async function expectRefused(image: string, lines: unknown) {
    const digest = await sha256Of(image);
    await expect(seal(image)).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining("errors before the change"),
      lines,
    });
    expect(await sha256Of(image)).toBe(digest);
  }

  it("undoes a change if a check then finds faults", async () => {
    const image = join(folder, "ours.img");
    await copyFile(ext, image);
    const digest = await sha256Of(image);
    // Simulates a bug of tbuild: the file system is sound before the change, and damaged after it.
    let checks = 0;
    const breaking: Host = {
      ...host,
      async run(argv, options) {
        if (argv[0] === "e2fsck" && argv[1] === "-fn") checks++;
        const output = await host.run(argv, options);
        return checks === 2 ? { ...output, exitCode: 4, stdout: "Inode 12 is strange.  Fix? no\n" } : output;
      },
    };
    await expect(seal(image, breaking)).rejects.toMatchObject({
      message: expect.stringContaining("errors after the change"),
      lines: ["p1: Inode 12 is strange.  Fix? no"],
      hint: expect.stringContaining("was undone"),
    });
    expect(await sha256Of(image)).toBe(digest);
    expect(await undoRecords(image)).toEqual([]);
  });

  it("is refused where e2fsck is not installed, before anything is changed", async () => {
    const image = join(folder, "without.img");
    await copyFile(ext, image);
    const digest = await sha256Of(image);
    const without: Host = {
      ...host,
      run: (argv, options) =>
        argv[0] === "e2fsck"
          ? host.run(["e2fsck-that-is-not-there", ...argv.slice(1)], options)
          : host.run(argv, options),
    };
    const refused = await seal(image, without).catch((error) => error);
    expect(refused).toBeInstanceOf(TbuildError);
    expect(refused).toMatchObject({
      fault: "environment",
      message: expect.stringContaining("not installed"),
    });
    expect(await sha256Of(image)).toBe(digest);
  });
});
