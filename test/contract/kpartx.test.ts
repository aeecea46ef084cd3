import { execFile, spawn } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { planJob } from "../../src/guest/offline.ts";
import { repairOperations } from "../../src/guest/seal/index.ts";
import { localHost, shellQuoted } from "../../src/host/local.ts";
import type { ImageAccess } from "../../src/image/access.ts";
import { openFar } from "../../src/image/remote-image.ts";
import { kpartxAccess } from "../../src/image/ways/kpartx.ts";
import { snapshotPieces } from "../../src/image/ways/snapshot.ts";
import { fileWord } from "../../src/io/escape.ts";
import { type Dom0, dom0Needs, startDom0 } from "../dom0.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest, xfsDisk } from "../guest-image.ts";
import { sha256Of } from "./dirty-image.ts";
import { guestTreeContract } from "./guest-tree.ts";
import { onVolume } from "./guest-volume.ts";

const lacking = missing(...dom0Needs, "mke2fs", "e2fsck", "mkfs.xfs", "xfs_repair", "mount", "loop");
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
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
    const prepare = async (halves: [number, number]) =>
      onVolume(there(), "xfs", {
        parent: dom0.folder,
        settle: () => dom0.run("sync"),
        halves,
      });
    guestTreeContract("kpartx: xfs on a logical volume in two pieces", () => prepare([200, 8]));

    it("changes a guest beside its image, and leaves nothing mapped", async () => {
      const { image, mounts, after } = await prepare([200, 8]);
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

    it("never mounts a volume through a guest's link, and removes the mounts that existed", async () => {
      const { image, mounts, after } = await prepare([200, 8]);
      const [root] = mounts;
      {
        await using tree = await there().open(image, mounts);
        await tree.link("/boot", "/run");
      }
      const linked = { ...(root ?? expect.fail()), at: "/boot" };
      await expect(there().open(image, [...mounts, linked])).rejects.toMatchObject({
        lines: expect.arrayContaining([expect.stringContaining("/boot: the guest mounts a volume there")]),
      });
      expect((await dom0.run("grep -c ' /run ' /proc/mounts")).stdout.trim()).toBe("1");
      expect(await traces(dom0)).toBe("");
      await after();
    });

    describe("the commands, for images on another machine", () => {
      let [folder, ext, xfs] = ["", "", ""];
      beforeAll(async () => {
        folder = join(dom0.folder, "OVS images");
        [ext, xfs] = [join(folder, "ext.img"), join(folder, "xfs.img")];
        await mkdir(folder);
        await extDisk(ext, ol6Guest);
        await xfsDisk(xfs, ol6Guest);
      });

      it("seal XFS by kpartx there, and restore the same bytes", async () => {
        const before = await sha256Of(xfs);
        const plan = await tbuild("seal", "--plan", `dom0:${xfs}`);
        expect(plan.stderr).toBe("");
        expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining("by kpartx") });
        expect(plan.stdout).toContain("first-boot: /etc/sysconfig/ovmd");
        await expectWhole(xfs, before);
        const done = await tbuild("seal", "--yes", `dom0:${xfs}`);
        expect(done.stdout).toContain(
          `done; undo with \`tbuild undo ${fileWord(`dom0:${xfs}`)}\` (dom0:${xfs}.tbuild-undo-1`,
        );
        await dom0.run("sync");
        expect(await sha256Of(xfs)).not.toBe(before);
        const check = await tbuild("seal", "--check", `dom0:${xfs}`);
        expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing is pending") });
        expect((await tbuild("undo", `dom0:${xfs}`)).code).toBe(0);
        await expectWhole(xfs, before);
      });

      it("repair ext over the network, without root or programs on that machine", async () => {
        const before = await sha256Of(ext);
        const { code, stdout } = await tbuild("repair", "--yes", `dom0:${ext}`);
        expect(code).toBe(0);
        expect(stdout).toContain("by direct");
        const inspected = await tbuild("inspect", `dom0:${ext}`);
        expect(inspected.stdout).toMatch(/armed +yes/);
        expect(inspected.stdout).toContain(`dom0:${ext}`);
        expect((await tbuild("undo", `dom0:${ext}`)).code).toBe(0);
        await expectWhole(ext, before);
      });

      it("scan a repository there", async () => {
        const { stdout } = await tbuild("scan", "--json", `dom0:${folder}`);
        const found = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(found).toEqual([
          expect.objectContaining({ file: `dom0:${ext}`, kind: "used VM" }),
          expect.objectContaining({ file: `dom0:${xfs}`, kind: "used VM" }),
        ]);
      });

      it("refuse an image that any program there uses", async () => {
        const before = await sha256Of(ext);
        const loop = (await dom0.run(`losetup -f --show '${ext}'`)).stdout.trim();
        const attached = await tbuild("repair", "--yes", `dom0:${ext}`);
        expect(attached.code).toBe(3);
        expect(attached.stderr).toContain(`dom0:${ext}: is in use, by the loop device ${loop} on dom0`);
        await dom0.run(`losetup -d ${loop}; sleep 600 < /dev/null > /dev/null 2>&1 3<> '${ext}' &`);
        const open = await tbuild("repair", "--yes", `dom0:${ext}`);
        expect(open.stderr).toMatch(/is in use, by process \d+ on dom0, which has it open for writing/);
        await dom0.run("pkill sleep");
        const otherName = `${ext}.link`;
        await dom0.run(
          `ln '${ext}' '${otherName}'; sleep 601 < /dev/null > /dev/null 2>&1 3<> '${otherName}' &`,
        );
        expect((await tbuild("repair", "--yes", `dom0:${ext}`)).stderr).toContain("is in use, by process");
        await dom0.run(`pkill sleep; rm '${otherName}'`);
        const { far, seen } = await openFar({ address: "dom0", path: ext }, { config: dom0.sshConfig });
        {
          await using _far = far;
          await using _lock = await far.lock(seen);
          const taken = await tbuild("repair", "--yes", `dom0:${ext}`);
          expect(taken.stderr).toContain("is being changed by another tbuild");
        }
        await expectWhole(ext, before);
      });

      it("refuse the change if the connection that held the lock broke", async () => {
        const before = await sha256Of(ext);
        const { far, seen } = await openFar({ address: "dom0", path: ext }, { config: dom0.sshConfig });
        {
          await using _far = far;
          const planned = await planJob(localHost(), seen, { operations: repairOperations({}) }, { far });
          const other = await far.lock(join(far.at, "xfs.img"));
          // Like a broken connection: the shells that hold the locks end, the plan's shell first, so it knows when the
          // other one ends.
          await dom0.run("pkill -9 -f '[e]xt[.]img.tbuild-lock'");
          await sleep(1_000);
          await dom0.run("pkill -9 -f '[x]fs[.]img.tbuild-lock'");
          await vi.waitFor(() => expect(other.isLost?.()).toBe(true), waiting);
          await expect(planned.apply("test")).rejects.toThrow("the lock");
          await expect(other.release()).rejects.toThrow("was not taken down cleanly");
          await expect(planned[Symbol.asyncDispose]()).rejects.toThrow("was not taken down cleanly");
        }
        await dom0.run(`rm -f '${ext}.tbuild-lock' '${xfs}.tbuild-lock'`);
        await expectWhole(ext, before);
      });

      it("leave nothing there when they are killed, and the image unchanged", async () => {
        const before = await sha256Of(xfs);
        const child = spawn(process.execPath, [
          ...[main, "seal", "--plan", "--ssh-config", dom0.sshConfig, `dom0:${xfs}`],
        ]);
        await vi.waitFor(async () => expect(await traces(dom0)).toContain("tbuild-mount"), waiting);
        child.kill("SIGKILL");
        await vi.waitFor(async () => expect(await traces(dom0)).toBe(""), waiting);
        const { stderr } = await tbuild("repair", "--plan", `dom0:${xfs}`);
        expect(stderr).toContain("was interrupted before it started");
        await expectWhole(xfs, before);
      });

      it.each([
        ["from the start", 0],
        ["while the guest is changed", 160],
      ])("report a full disk there %s, and leave the image unchanged", async (_when, kibibytes) => {
        const small = join(dom0.folder, `small ${kibibytes}`);
        const [image, ballast] = [`${small}/xfs.img`, `${small}/ballast`];
        await mkdir(small);
        await dom0.run(
          `mount -t tmpfs -o size=12M tmpfs '${small}' && cp --sparse=always '${xfs}' '${image}' && ` +
            `dd if=/dev/zero of='${small}/spare' bs=1k count=${kibibytes}; dd if=/dev/zero of='${ballast}' bs=4k; rm '${small}/spare'`,
        );
        const before = (await dom0.run(`sha256sum '${image}'`)).stdout;
        const { code, stderr } = await tbuild("seal", "--yes", `dom0:${image}`);
        expect(stderr).toMatch(/is full|No space left/);
        expect(code).toBe(3);
        expect((await dom0.run(`sha256sum '${image}'`)).stdout).toBe(before);
        expect(await traces(dom0)).toBe("");
        expect((await dom0.run(`ls '${small}'; umount '${small}'`)).stdout).toBe("ballast\nxfs.img\n");
      });

      it("name the file that is missing", async () => {
        const none = await tbuild("inspect", "dom0:/OVS/none.img");
        expect(none.code).toBe(2);
        expect(none.stderr).toContain("dom0:/OVS/none.img: no such file");
        const nobody = await tbuild("inspect", "nobody.invalid:/x.img");
        expect(nobody.stderr).toContain("nobody.invalid: no ssh connection");
      });

      it("use kpartx there if tbuild itself runs there", async () => {
        const before = await sha256Of(xfs);
        const run = (...args: string[]) => dom0.run(shellQuoted([process.execPath, main, ...args, xfs]));
        expect((await run("seal", "--yes", "--via", "kpartx")).stdout).toContain("by kpartx");
        await run("undo");
        await expectWhole(xfs, before);
      });

      it.each(["KILL", "TERM"])(
        "leave nothing there when one that runs there itself gets SIG%s",
        async (signal) => {
          const before = await sha256Of(xfs);
          const command = shellQuoted([process.execPath, main, "seal", "--plan", "--via", "kpartx", xfs]);
          const pid = (await dom0.run(`${command} > /dev/null 2>&1 < /dev/null & echo $!`)).stdout.trim();
          await vi.waitFor(async () => expect(await traces(dom0)).toContain("tbuild-mount"), waiting);
          await dom0.run(`kill -${signal} ${pid}`);
          await vi.waitFor(async () => expect(await traces(dom0)).toBe(""), waiting);
          const undo = shellQuoted([process.execPath, main, "undo", xfs]);
          const { stdout } = await dom0.run(`${undo} 2>&1; ls /tmp | grep '^tbuild-'; :`);
          expect(stdout).toContain("nothing to undo");
          expect(stdout).not.toMatch(/^tbuild-(?:mount|kpartx)-/m);
          await expectWhole(xfs, before);
        },
      );

      async function expectWhole(image: string, digest: string): Promise<void> {
        await dom0.run("sync");
        expect(await sha256Of(image)).toBe(digest);
        expect((await readdir(folder)).sort()).toEqual(["ext.img", "xfs.img"]);
        expect(await traces(dom0)).toBe("");
      }

      async function tbuild(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
        return call(process.execPath, [main, ...args, "--ssh-config", dom0.sshConfig]).then(
          (said) => ({ code: 0, ...said }),
          ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
        );
      }
    });
  },
);

/** Everything that is still attached, mapped or mounted there. */
async function traces(dom0: Dom0): Promise<string> {
  return (await dom0.run("losetup -a; dmsetup ls | grep -v '^No '; grep tbuild-mount /proc/mounts; :"))
    .stdout;
}

const waiting = { timeout: 60_000, interval: 100 };
