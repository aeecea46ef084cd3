import { execFile, spawn } from "node:child_process";
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ImageAccess } from "../../src/image/access.ts";
import { kpartxAccess } from "../../src/image/kpartx.ts";
import { snapshotPieces } from "../../src/image/snapshot.ts";
import { type Dom0, dom0Needs, startDom0 } from "../dom0.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest, xfsDisk } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";
import { guestTreeContract } from "./guest-tree.ts";
import { onVolume } from "./guest-volume.ts";

const lacking = missing(...dom0Needs, "mke2fs", "e2fsck", "mkfs.xfs", "xfs_repair", "mount", "loop");
const main = resolve(import.meta.dirname, "../../dist/main.js");
const call = promisify(execFile);

describe.skipIf(lacking !== undefined)(
  `on a server over ssh${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let dom0: Dom0;
    beforeAll(async () => {
      dom0 = await startDom0();
    });
    afterAll(async () => dom0?.[Symbol.asyncDispose]());

    const there = (): ImageAccess => kpartxAccess(dom0.host);
    const prepare = async (fs: "ext4" | "xfs", halves?: [number, number]) =>
      onVolume(there(), fs, {
        parent: dom0.folder,
        settle: () => dom0.run("sync"),
        ...(halves && { halves }),
      });
    guestTreeContract("kpartx: xfs", () => prepare("xfs"));
    guestTreeContract("kpartx: ext4 on a logical volume in two pieces", () => prepare("ext4", [200, 8]));

    it("changes a guest beside its image, and leaves nothing mapped", async () => {
      const { image, mounts, after } = await prepare("xfs", [200, 8]);
      const [before, work] = [await sha256Of(image), `${image}.work`];
      {
        const bytes = 400 * 1048576;
        await using tree = (await there().openBeside?.(image, mounts, work, bytes)) ?? expect.fail();
        await tree.write("/etc/plain", "changed");
      }
      expect(await sha256Of(image)).toBe(before);
      const pieces = await snapshotPieces(image, work);
      expect(pieces.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(4 * 1048576);
      expect(await traces(dom0)).toBe("");
      await after();
    });
  },
);

/** What is still attached, mapped or mounted there. */
async function traces(dom0: Dom0): Promise<string> {
  return (await dom0.run("losetup -a; dmsetup ls | grep -v '^No '; grep tbuild-kpartx /proc/mounts; :"))
    .stdout;
}
