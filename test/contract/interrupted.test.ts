import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { host, kinds, makeDirtyImage, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const needs = ["mke2fs", "e2fsck", "debugfs", "qemu-img", "qemu-storage-daemon", "linux.uml", "losetup"];
const isSlow = process.env.TBUILD_SLOW === "1";
const lacking = missing(...needs, ...(isSlow ? ["guestfish"] : []), "mount", "loop", "root");

// The access method, the image format, and the folder whose appearance shows that the method is running.
const cases = [
  ["direct", "raw", undefined],
  ["debugfs", "raw", "tbuild-debugfs-"],
  ["debugfs", "qcow2", "tbuild-view-"],
  ["debugfs", "qcow2", "tbuild-debugfs-"],
  ["loop", "raw", "tbuild-mount-"],
  ["uml", "raw", "tbuild-uml-"],
] as const;
// Starting its machine takes half a minute under TCG: `make torture` has the time.
const slow = isSlow ? ([["guestfish", "raw", "tbuild-guestfish-"]] as const) : [];

describe.skipIf(lacking !== undefined)(`a killed command${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let images = "";
  let temporary = "";
  let many = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-interrupted-"));
    images = join(folder, "images");
    temporary = join(folder, "tmp");
    many = join(folder, "many");
    for (const one of [images, temporary, many]) await mkdir(one);
    await makeManyFiles(join(many, "many.raw"));
    await makeDirtyImage(join(images, "disk.raw"), kinds["ext4, as OL6"], { files: 50 });
    await host.run([
      ...["qemu-img", "convert", "-O", "qcow2"],
      ...[join(images, "disk.raw"), join(images, "disk.qcow2")],
    ]);
  });
  afterAll(() => rm(folder, { recursive: true }));

  for (const [way, format, mark] of [...cases, ...slow])
    for (const signal of ["SIGKILL", "SIGTERM"] as const)
      it(`by ${signal}, ${way} of ${format}${mark ? ` at ${mark}` : ""}: no process, mount or folder is left`, async () => {
        const image = join(images, `disk.${format}`);
        const before = await sha256Of(image);
        // At the beginning, and a little later.
        const whileAtWork = way === "guestfish" ? 20_000 : 300;
        for (const later of signal === "SIGKILL" ? [0, whileAtWork] : [whileAtWork]) {
          await interrupted(["seal", "--plan", "--via", way, image], signal, mark, later);
          const patience = { timeout: 60_000, interval: 100 };
          await vi.waitFor(async () => expect(await processes()).toEqual([]), patience);
          expect(await mounts()).toEqual([]);
          expect((await host.run(["losetup", "-j", image])).stdout).toBe("");
          expect(await sha256Of(image)).toBe(before);
          const next = await tbuild("seal", "--plan", image);
          expect(next.exitCode, next.stderr).toBe(0);
          expect(await readdir(temporary)).toEqual([]);
          expect(await readdir(images)).toEqual(["disk.qcow2", "disk.raw"]);
        }
      });

  it.each(["debugfs", "loop"])("with %s is cleaned up by an undo, too", async (way) => {
    const image = join(images, "disk.raw");
    const mark = way === "loop" ? "tbuild-mount-" : "tbuild-debugfs-";
    await interrupted(["seal", "--plan", "--via", way, image], "SIGKILL", mark, 0);
    await vi.waitFor(async () => expect(await processes()).toEqual([]), { timeout: 60_000, interval: 100 });
    const { exitCode, stderr } = await tbuild("undo", image);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("nothing to undo");
    expect(await readdir(temporary)).toEqual([]);
    expect(await readdir(images)).toEqual(["disk.qcow2", "disk.raw"]);
  });

  it.each([
    ["--plan", "SIGTERM"],
    ["--yes", "SIGTERM"],
    ["--yes", "SIGINT"],
  ] as const)(
    "seal %s of 20 000 files ends soon after %s, says so, and leaves the image unchanged",
    async (how, signal) => {
      const image = join(many, "many.raw");
      const before = await sha256Of(image);
      const working = spawn(process.execPath, [main, "seal", how, "--scrub", image], {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, ...environment() },
      });
      const ended = once(working, "exit");
      let said = "";
      working.stderr.on("data", (data) => {
        said += data;
      });
      const opened = async () => expect(await openFiles(working.pid), said).toContain(await realpath(image));
      await vi.waitFor(opened, { timeout: 30_000, interval: 10 });
      working.kill(signal);
      const inTime = await Promise.race([ended, sleep(10_000, "still at work", { ref: false })]);
      working.kill("SIGKILL");
      expect(inTime, said).toEqual([130, null]);
      expect(said).toContain("interrupted; no image is half changed");
      expect(await sha256Of(image)).toBe(before);
      expect(await readdir(many)).toEqual(["many.raw"]);
      expect(await readdir(temporary)).toEqual([]);
    },
    120_000,
  );

  it("by SIGKILL at any moment of a scrub of a qcow2: it is unchanged, or an undo restores it", async () => {
    const image = join(images, "disk.qcow2");
    const before = await sha256Of(image);
    for (const later of isSlow ? [100, 400, 700, 1000, 1300, 1600, 1900, 2500, 4000] : [400, 1200, 2500]) {
      await interrupted(["seal", "--yes", "--scrub", image], "SIGKILL", undefined, later);
      await vi.waitFor(async () => expect(await processes()).toEqual([]), { timeout: 60_000, interval: 100 });
      expect(await mounts()).toEqual([]);
      const { exitCode, stderr } = await tbuild("undo", image);
      // 2: there was nothing to undo.
      expect([0, 2], stderr).toContain(exitCode);
      expect(await sha256Of(image), `after ${later} ms`).toBe(before);
      expect(await readdir(temporary)).toEqual([]);
      expect(await readdir(images)).toEqual(["disk.qcow2", "disk.raw"]);
    }
  });

  for (const [way, few] of [["uml", 4], ...(isSlow ? ([["guestfish", 3]] as const) : [])] as const) {
    const kills = Number(process.env.TBUILD_KILLS ?? few);
    const times = kills * (way === "guestfish" ? 180_000 : 30_000) + 120_000;
    it(
      `by SIGKILL ${kills} times in the course of a seal by ${way}: an undo is enough, and nothing is left`,
      async () => {
        const image = join(images, "disk.raw");
        const before = await sha256Of(image);
        const argv = ["seal", "--yes", "--only", "ssh-host-keys", "--via", way, image];
        const started = performance.now();
        expect((await tbuild(...argv)).exitCode).toBe(0);
        const whole = performance.now() - started;
        expect((await tbuild("undo", image)).exitCode).toBe(0);
        const undone = { 0: 0, 2: 0 };
        for (let round = 0; round < kills; round++) {
          // Somewhere in each part of its time.
          const later = (whole * (round + Math.random())) / kills;
          await interrupted(argv, "SIGKILL", undefined, later);
          const patience = { timeout: 60_000, interval: 100 };
          await vi.waitFor(async () => expect(await processes()).toEqual([]), patience);
          const { exitCode, stderr } = await tbuild("undo", image);
          // 2: there was nothing to undo.
          expect([0, 2], stderr).toContain(exitCode);
          undone[exitCode as 0 | 2]++;
          const when = `after ${Math.round(later)} of ${Math.round(whole)} ms`;
          expect(await sha256Of(image), when).toBe(before);
          expect(await mounts(), when).toEqual([]);
          expect((await host.run(["losetup", "-j", image])).stdout, when).toBe("");
          expect(await readdir(temporary), when).toEqual([]);
          expect(await readdir(images), when).toEqual(["disk.qcow2", "disk.raw"]);
        }
        console.log(`${kills} kills of ${way} in ${Math.round(whole)} ms: ${undone[0]} changes undone`);
      },
      times,
    );
  }

  it("leaves the folders of a running command alone", async () => {
    const image = join(images, "disk.raw");
    const working = start(["seal", "--plan", "--via", "uml", image]);
    const ended = once(working, "exit");
    const own = await seen("tbuild-uml-", ended);
    const copy = join(folder, "copy.raw");
    await host.run(["cp", "--sparse=always", image, copy]);
    expect((await tbuild("inspect", copy)).exitCode).toBe(0);
    expect(await readdir(temporary)).toContain(own);
    const [code] = await ended;
    expect(code).toBe(0);
    expect(await readdir(temporary)).toEqual([]);
  });

  /** Kills it as soon as the folder of the way has appeared, or `later` in milliseconds. */
  async function interrupted(
    args: readonly string[],
    signal: NodeJS.Signals,
    mark: string | undefined,
    later: number,
  ) {
    const working = start(args);
    const ended = once(working, "exit");
    if (mark !== undefined) await seen(mark, ended);
    await sleep(later);
    working.kill(signal);
    await ended;
  }

  function start(args: readonly string[]) {
    return spawn(process.execPath, [main, ...args], {
      stdio: "ignore",
      env: { ...process.env, ...environment() },
    });
  }

  function tbuild(...args: readonly string[]) {
    const allow = [1, 2, 3, 4, 5, 6, 70];
    return host.run([process.execPath, main, ...args], { allow, env: environment() });
  }

  // libguestfs keeps its appliance elsewhere, and no data of a guest.
  function environment() {
    return { TMPDIR: temporary, LIBGUESTFS_CACHEDIR: "/var/tmp" };
  }

  /** A guest with 20 000 files in its /tmp, which seal removes. */
  async function makeManyFiles(image: string) {
    const names = Array.from({ length: 20_000 }, (_, index) => [`/tmp/file-${index}`, ""]);
    const files = { ...ol6Guest.files, ...Object.fromEntries(names) };
    await extDisk(image, { ...ol6Guest, files }, { options: ["-t", "ext4", "-N", "40000"], mebibytes: 121 });
  }

  async function openFiles(pid: number | undefined): Promise<string[]> {
    const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
    return Promise.all(handles.map((one) => readlink(`/proc/${pid}/fd/${one}`).catch(() => "")));
  }

  /** Waits for a folder of this name. It may be gone again. */
  async function seen(mark: string, ended: Promise<unknown>): Promise<string> {
    const stop = new AbortController();
    void ended.then(() => stop.abort());
    for await (const { filename } of watch(temporary, stop)) if (filename?.startsWith(mark)) return filename;
    throw new Error(`ended, and there was no ${mark}`);
  }

  /** Processes that were started with our temporary folder, except zombies. */
  async function processes(): Promise<string[]> {
    const found: string[] = [];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      if (environment.split("\0").some((one) => one.startsWith(`TMPDIR=${temporary}`)))
        found.push((await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " "));
    }
    return found;
  }

  async function mounts(): Promise<string[]> {
    const all = (await readFile("/proc/self/mounts", "utf8")).split("\n");
    return all.filter((line) => line.includes(temporary));
  }
});
