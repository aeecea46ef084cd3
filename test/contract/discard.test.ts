import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { host, sha256Of } from "./dirty-image.ts";
import { guestWorkshop } from "./guest-workshop.ts";

const mib = 1 << 20;

describeWith(["mke2fs", "e2fsck", "debugfs", "sfdisk", "qemu-img", "qemu-io"], "tbuild discard", () => {
  const shop = guestWorkshop("discard");

  /** A disk with a removed file of 30 MiB. */
  async function disk(format: "raw" | "qcow2"): Promise<string> {
    const raw = join(shop.folder, "raw.img");
    const [big, kept] = [join(shop.folder, "big"), join(shop.folder, "kept")];
    await writeFile(big, Buffer.alloc(30 * mib, "removed "));
    await writeFile(kept, Buffer.alloc(5 * mib, "kept "));
    await rm(raw, { force: true });
    await host.run(["truncate", "-s", "100M", raw]);
    await host.run(["sfdisk", "-q", raw], { input: "start=2048,type=83\n" });
    await host.run(["mke2fs", "-qF", "-t", "ext4", "-d", shop.root, "-E", `offset=${mib}`, raw, "99M"]);
    const commands = join(shop.folder, "commands");
    await writeFile(commands, `write ${big} /big\nwrite ${kept} /kept\nrm /big\n`);
    await host.run(["debugfs", "-w", "-f", commands, `${raw}?offset=${mib}`]);
    await host.run(["e2fsck", "-fp", `${raw}?offset=${mib}`], { allow: [1] });
    if (format === "raw") return raw;
    const other = join(shop.folder, "disk.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", raw, other]);
    return other;
  }

  /** The bytes of the disk that its files and the file system itself use. */
  async function filesOf(image: string): Promise<string> {
    const raw = join(shop.folder, "judged.img");
    await host.run(["qemu-img", "convert", "-O", "raw", image, raw]);
    const place = `${raw}?offset=${mib}`;
    await host.run(["e2fsck", "-fn", place]);
    const dumped = join(shop.folder, "dumped");
    await host.run(["debugfs", "-R", `dump /kept ${dumped}`, place]);
    const { stdout } = await host.run(["debugfs", "-R", "ls -l /etc", place]);
    return `${await sha256Of(dumped)} ${stdout}`;
  }
  const stored = async (image: string) => (await stat(image)).blocks * 512;

  it.each(["raw", "qcow2"] as const)(
    "frees the space of a removed file in a %s image, and no existing file",
    async (format) => {
      const image = await disk(format);
      const [files, sum, before] = [await filesOf(image), await sha256Of(image), await stored(image)];
      const planned = await shop.tbuild("discard", "--plan", "--json", image);
      expect(planned.exitCode, planned.stderr).toBe(0);
      const plan = JSON.parse(planned.stdout);
      expect(plan.volumes).toEqual([{ volume: "p1", bytes: plan.bytes }]);
      expect(plan.bytes).toBeGreaterThan(29.5 * mib);
      expect(plan.bytes).toBeLessThan(31 * mib);
      expect(await sha256Of(image)).toBe(sum);
      const refused = await shop.tbuild("discard", image);
      expect([refused.exitCode, await sha256Of(image)]).toEqual([2, sum]);

      const done = await shop.tbuild("discard", "--yes", image);
      expect(done.exitCode, done.stderr).toBe(0);
      expect(done.stdout).toMatch(
        /p1: 30[.\d]* MiB of free blocks[\s\S]*cannot be undone[\s\S]*done: the file took/,
      );
      expect(before - (await stored(image))).toBeGreaterThan(plan.bytes - mib);
      expect(await filesOf(image)).toBe(files);
      if (format === "qcow2") await host.run(["qemu-img", "check", image]);
      expect((await shop.tbuild("discard", "--yes", image)).stdout).toContain("nothing to discard");
      expect((await readdir(shop.folder)).filter((name) => name.includes(".tbuild-"))).toEqual([]);
    },
  );

  it("refuses an image with undo records, unless they may be deleted", async () => {
    const image = await disk("raw");
    await writeFile(join(shop.folder, "hosts"), "127.0.0.1 me\n");
    expect(
      (await shop.tbuild("cp", "--yes", join(shop.folder, "hosts"), `${image}:/etc/hosts`)).exitCode,
    ).toBe(0);
    const sum = await sha256Of(image);
    const refused = await shop.tbuild("discard", "--yes", image);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toMatch(/has undo records.*\n.*--drop-undo/);
    expect(await sha256Of(image)).toBe(sum);
    expect((await shop.tbuild("discard", "--yes", "--drop-undo", image)).stdout).toContain("done: ");
    expect((await shop.tbuild("undo", "--list", image)).stdout).toContain("nothing to undo");
    expect((await shop.tbuild("cat", `${image}:/etc/hosts`)).stdout).toBe("127.0.0.1 me\n");
  });

  it("leaves a volume of a kind that it does not know", async () => {
    const image = join(shop.folder, "other.img");
    await host.run(["truncate", "-s", "50M", image]);
    await host.run(["mke2fs", "-qF", "-t", "ext4", "-O", "meta_bg,^resize_inode", image]);
    const { exitCode, stdout, stderr } = await shop.tbuild("discard", "--yes", image);
    expect(exitCode, stderr).toBe(6);
    expect(stdout).toMatch(/not changed: ext: has the feature meta_bg/);
    expect(stdout).toContain("nothing to discard in the volumes that could be read");
  });

  it("leaves a volume with a pending journal, and frees the others", async () => {
    const image = await disk("raw");
    await host.run(["debugfs", "-w", "-R", "feature needs_recovery", `${image}?offset=${mib}`]);
    const { exitCode, stdout } = await shop.tbuild("discard", "--yes", image);
    expect(stdout).toContain("p1: not changed: was not cleanly unmounted");
    expect(stdout).toContain("nothing to discard in the volumes that could be read");
    expect(exitCode).toBe(6);
  });

  it.each(["--plan", "--yes"])(
    "does not know with %s what is free in a file that is not a disk",
    async (flag) => {
      const image = join(shop.folder, "notes.txt");
      await writeFile(image, "no disk\n".repeat(100));
      const { exitCode, stdout } = await shop.tbuild("discard", flag, image);
      expect(stdout).toContain("disk: not changed: has a file system that tbuild cannot read");
      expect(exitCode).toBe(6);
      expect((await stat(image)).size).toBe(800);
    },
  );
});
