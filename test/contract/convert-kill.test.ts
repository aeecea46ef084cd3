import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { volumesOf } from "../../src/image/disk/disk.ts";
import { bootableGuest, cloudKernel } from "../bootable/guest.ts";
import { missing } from "../fakes/missing.ts";
import { sha256Of } from "./dirty-image.ts";
import { killed, main } from "./killed.ts";

const host = localHost();
const lacking =
  missing("mke2fs", "debugfs", "depmod", "busybox", "grub-mkimage", "cpio") ??
  ((await cloudKernel()) === undefined ? "needs Debian's linux-image-cloud-amd64" : undefined);
const kills = Number(process.env.TBUILD_KILLS ?? 2);

describe.skipIf(lacking)(`kill -9 of a conversion${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let image = "";
  let before = "";
  const durations = { convert: 0, undo: 0, copy: 0 };
  const tbuild = (...args: string[]) => host.run([process.execPath, main, ...args]);
  const timed = async (of: keyof typeof durations, ...args: string[]) => {
    const started = performance.now();
    await tbuild(...args);
    durations[of] = performance.now() - started;
  };
  const convert = ["convert", "--to", "kvm", "--yes"];
  const names = async () => (await readdir(folder)).filter((name) => !name.endsWith(".tbuild-lock")).sort();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-kill-"));
    image = join(folder, "System.img");
    await bootableGuest(image, "el6", "own /boot");
    before = await sha256Of(image);
    await timed("convert", ...convert, image);
    expect(await sha256Of(image)).not.toBe(before);
    await timed("undo", "undo", image);
    expect(await sha256Of(image)).toBe(before);
  });
  afterAll(() => rm(folder, { recursive: true }));
  // Every other pair of kills is exactly when the change begins or ends; the rest are at random moments.
  const moment = (round: number, duration: number) =>
    Math.floor(round / 2) % 2 ? Math.random() * duration : undefined;

  /** An image is converted to the last byte if `undo` accepts it: it refuses one that differs from its record. */
  const isWhole = async (file: string) => {
    expect((await tbuild("convert", "--to", "kvm", "--plan", file)).stdout).toContain("nothing to convert");
    for (const { offset, fs } of await volumesOf(file))
      if (fs.startsWith("ext")) await host.run(["e2fsck", "-fn", `${file}?offset=${offset}`]);
    await tbuild("undo", file);
    expect(await sha256Of(file)).toBe(before);
  };

  it(
    `${kills} times, in place and while it is undone: the next command makes it whole, as before or as after`,
    async () => {
      const seen = { before: 0, after: 0 };
      for (let round = 0; round < kills; round++) {
        const command = round % 2 ? "undo" : "convert";
        if (command === "undo") await tbuild(...convert, image);
        const args = command === "undo" ? ["undo", image] : [...convert, image];
        await killed(args, folder, moment(round, durations[command]));
        await tbuild("convert", "--to", "kvm", "--plan", image);
        const isBefore = (await sha256Of(image)) === before;
        seen[isBefore ? "before" : "after"]++;
        expect(await names(), `round ${round}, ${command}`).toEqual(
          isBefore ? ["System.img"] : ["System.img", "System.img.tbuild-undo-1"],
        );
        if (!isBefore) await isWhole(image);
      }
      console.log(`${kills} kills: ${JSON.stringify(seen)}`);
      if (kills < 20) return;
      expect(seen.before).toBeGreaterThan(0);
      expect(seen.after).toBeGreaterThan(0);
    },
    kills * 60_000,
  );

  it(
    `${kills} times, into a copy: it is there whole or not at all, and the next command makes it`,
    async () => {
      const out = join(folder, "New.img");
      const args = [...convert, "--out", out, image];
      await timed("copy", ...args);
      const seen = { none: 0, whole: 0 };
      for (let round = 0; round < kills; round++) {
        await rm(out);
        await rm(`${out}.tbuild-undo-1`, { force: true });
        await killed(args, folder, moment(round, durations.copy));
        expect(await sha256Of(image)).toBe(before);
        const isThere = existsSync(out);
        seen[isThere ? "whole" : "none"]++;
        if (!isThere) await tbuild(...args);
        await isWhole(out);
        expect(await names(), `round ${round}`).toEqual(["New.img", "System.img"]);
      }
      console.log(`${kills} kills: ${JSON.stringify(seen)}`);
      if (kills >= 20) expect(seen.none).toBeGreaterThan(0);
    },
    kills * 60_000,
  );
});
