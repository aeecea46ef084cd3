import { randomBytes } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeImage, namesFor, settle, undoLast } from "../../src/image/change/undo.ts";
import { accesses } from "../../src/image/ways/table.ts";
import { missing } from "../fakes/missing.ts";
import { host, kinds, makeDirtyImage, sha256Of, start } from "./dirty-image.ts";

const isSlow = process.env.TBUILD_SLOW === "1";
const lacking = missing(
  ...(isSlow ? ["guestfish"] : []),
  "mount",
  "mke2fs",
  "root",
  "loop",
  "linux.uml",
  "qemu-storage-daemon",
  "/dev/fuse",
);
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

describe.skipIf(lacking !== undefined)(`a full disk${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let image = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-full-"));
    image = join(folder, "System.img");
    await host.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]);
  });
  afterEach(async () => {
    await host.run(["umount", folder]);
    await rm(folder, { recursive: true });
  });

  it("without room for the record leaves the image unchanged, and no file beside it", async () => {
    await makeDirtyImage(image, kinds["ext4, as OL6"], { megabytes: 32, files: 50 });
    const before = await sha256Of(image);
    await leaveRoom(8192);
    const run = await host.run([process.execPath, main, "seal", "--yes", image], { allow: [3] });
    expect(run.stderr).toContain(`${namesFor(image).new}: the disk is full`);
    expect(run.stderr).toContain("The image was not changed.");
    expect(await sha256Of(image)).toBe(before);
    expect(await readdir(folder)).toEqual(["System.img", "ballast"]);

    await rm(join(folder, "ballast"));
    await host.run([process.execPath, main, "seal", "--yes", image]);
    await host.run([process.execPath, main, "undo", image]);
    expect(await sha256Of(image)).toBe(before);
  });

  it("with room only for the record, and not for the image's holes, allows the next command to finish", async () => {
    {
      await using sparse = await open(image, "w");
      await sparse.truncate(8 << 20);
    }
    const before = await readFile(image);
    const data = randomBytes(1 << 20);
    const pieces = [1, 3].map((at) => ({
      offset: (at << 20) + 100,
      bytes: 1 << 20,
      after: async () => data,
    }));
    await leaveRoom(3 << 20);
    const change = changeImage(image, pieces, { what: "fill", when: "", bytes: 8 << 20 });
    const { redo, undo } = namesFor(image);
    const refused = {
      fault: "environment",
      message: `${image}: the disk is full`,
      hint: expect.stringContaining(`The change has started, and ${redo} contains all of it.`),
    };
    await expect(change).rejects.toMatchObject(refused);
    await expect(settle(image)).rejects.toMatchObject(refused);
    expect(await readdir(folder)).toEqual(["System.img", "System.img.tbuild-redo", "ballast"]);

    await rm(join(folder, "ballast"));
    expect(await settle(image)).toContain("is now finished, and can be undone");
    const now = await readFile(image);
    for (const { offset, bytes } of pieces)
      expect(now.subarray(offset, offset + bytes).equals(data)).toBe(true);
    expect((await undoLast(image)).file).toBe(undo(1));
    expect((await readFile(image)).equals(before)).toBe(true);
  });

  it.each(["loop", "uml"] as const)(
    "is reported when a guest that was changed by %s is closed",
    async (way) => {
      await makeDirtyImage(image, kinds["ext4, as OL6"], { megabytes: 64, files: 50 });
      await leaveRoom(1 << 20);
      const volume = { name: "p1", offset: start, bytes: 62 << 20, fs: "ext4" } as const;
      const tree = await accesses[way](host).open(image, [{ at: "/", volume }]);
      await tree.write("/root/much", randomBytes(20 << 20));
      await expect(tree[Symbol.asyncDispose]()).rejects.toMatchObject({
        fault: "environment",
        code: "not-written",
        message: expect.stringContaining("the changes could not be written to the image"),
      });
    },
  );

  // The copy has room, and 2 MiB of its change of 8 MiB. TBUILD_SLOW=1 also starts guestfish's machine.
  it.each(
    ["loop", "uml", "debugfs", ...(isSlow ? ["guestfish"] : [])].flatMap((way) => [
      [way, "raw"] as const,
      [way, "qcow2"] as const,
    ]),
  )("below a copy that is changed by %s (%s) leaves the image unchanged", async (way, format) => {
    await makeImage(format);
    const before = await sha256Of(image);
    await leaveRoom((await stat(image)).blocks * 512 + (2 << 20));
    const much = `${folder}.much`;
    await writeFile(much, randomBytes(8 << 20));
    const argv = ["cp", "--yes", "--via", way, much, `${image}:/root/much`];
    const run = await host.run([process.execPath, main, ...argv], { allow: [3, 5] });
    await rm(much);
    expect(run.stderr).toMatch(notInCopy);
    expect(run.stderr).toContain("The image was not changed.");
    expect(run.exitCode).toBe(3);
    expect(await sha256Of(image)).toBe(before);
    expect(await readdir(folder)).toEqual(["System.img", "ballast"]);
  });

  it.each(["loop", "uml", "debugfs", "direct"])(
    "of a guest is named as the guest's by %s, whatever its files are called",
    async (way) => {
      const [image, much] = [`${folder}.img`, `${folder}.much`];
      await makeDirtyImage(image, kinds["ext4, as OL6"], { megabytes: 32, files: 5 });
      await writeFile(much, randomBytes(34 << 20));
      const before = await sha256Of(image);
      const target = `${image}:/root/No space left on device`;
      const argv = [process.execPath, main, "cp", "--yes", "--via", way, much, target];
      const { stderr, exitCode } = await host.run(argv, { allow: [3, 4, 5] });
      expect(stderr).toMatch(/file system (?:of the guest )?is full/);
      expect(stderr).not.toContain("copy beside it");
      expect(exitCode).toBe(4);
      expect(await sha256Of(image)).toBe(before);
      for (const one of [image, much]) await rm(one);
    },
  );

  it("that has no room for a copy leaves the image unchanged", async () => {
    await makeImage("raw");
    const before = await sha256Of(image);
    await leaveRoom(1 << 16);
    const run = await host.run([process.execPath, main, "seal", "--yes", "--via", "loop", image], {
      allow: [3],
    });
    expect(run.stderr).toMatch(notInCopy);
    expect(run.stderr).toContain("The image was not changed.");
    expect(await sha256Of(image)).toBe(before);
    expect(await readdir(folder)).toEqual(["System.img", "ballast"]);
  });

  async function makeImage(format: "raw" | "qcow2") {
    const made = format === "raw" ? image : `${folder}.img`;
    await makeDirtyImage(made, kinds["ext4, as OL6"], { megabytes: 64, files: 50 });
    if (format === "raw") return;
    await host.run(["qemu-img", "convert", "-O", "qcow2", made, image]);
    await rm(made);
  }

  async function leaveRoom(bytes: number) {
    const { bavail, bsize } = await statfs(folder);
    await writeFile(join(folder, "ballast"), Buffer.alloc(bavail * bsize - bytes));
  }
});

// Not every program says why it failed.
const notInCopy =
  /System\.img: the change (?:could not be written to a copy beside it|to a copy beside it failed, and that copy cannot be written any more): the disk is full$/m;

const sftp = "/usr/lib/openssh/sftp-server";
const lackingLine = missing("sshfs", "fusermount3", "/dev/fuse", sftp);

describe.skipIf(lackingLine !== undefined)(
  `a connection that breaks${lackingLine ? ` — skipped: ${lackingLine}` : ""}`,
  () => {
    const old = Buffer.alloc(24 << 20, "old ");
    const note = { what: "a test", when: "now", bytes: old.length };
    let folder = "";
    let there = "";
    let seen = "";
    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-line-"));
      for (const made of ["there", "seen"]) await mkdir(join(folder, made));
      there = join(folder, "there", "System.img");
      seen = join(folder, "seen", "System.img");
      await writeFile(there, old);
      // The real sshfs and sftp-server, without ssh between them.
      const line = join(folder, "line");
      await writeFile(line, `#!/bin/sh\necho $$ > ${folder}/pid\nexec ${sftp}\n`, { mode: 0o755 });
      await host.run(["sshfs", "-o", `ssh_command=${line}`, `there:${folder}/there`, `${folder}/seen`]);
    });
    afterEach(async () => {
      // sshfs ends by itself when its connection is lost.
      await host.run(["fusermount3", "-u", join(folder, "seen")], { allow: [1] });
      await rm(folder, { recursive: true });
    });

    it("while the record is written leaves the image unchanged", async () => {
      const pieces = newPieces(async (at) => {
        if (at === 15) await breakLine();
      });
      await expect(changeImage(seen, pieces, note)).rejects.toMatchObject({
        fault: "environment",
        // EIO for what sshfs still had to write, ENOTCONN or ECONNABORTED once it has ended.
        message: expect.stringMatching(
          /\.tbuild-new: (?:the disk cannot be read or written \(I\/O error\)|the connection to the file server is lost)$/,
        ),
        hint: expect.stringContaining("The image was not changed."),
      });
      expect(await settle(there)).toContain("the image is unchanged");
      expect((await readFile(there)).equals(old)).toBe(true);
    });

    it("while the image is written leaves a change that the next command finishes", async () => {
      using _watcher = closing(watch(there, () => breakLine().catch(() => {})));
      await expect(changeImage(seen, newPieces(), note)).rejects.toMatchObject({
        fault: "environment",
        // The error depends on where the connection breaks.
        message: expect.stringContaining(`${seen}: `),
        hint: expect.stringContaining(
          `The change has started, and ${namesFor(seen).redo} contains all of it.`,
        ),
      });
      expect(await settle(there)).toContain("is now finished");
      const now = await readFile(there);
      for (const { offset, bytes } of newPieces())
        expect(now.subarray(offset, offset + bytes).equals(Buffer.alloc(bytes, "new "))).toBe(true);
      await undoLast(there);
      expect((await readFile(there)).equals(old)).toBe(true);
    });

    // They begin and end within sectors.
    function newPieces(before: (at: number) => Promise<void> = async () => {}) {
      return Array.from({ length: 20 }, (_, at) => ({
        offset: (at << 20) + 100,
        bytes: 1_000_000,
        async after() {
          await before(at);
          return Buffer.alloc(1_000_000, "new ");
        },
      }));
    }

    async function breakLine() {
      process.kill(Number(await readFile(join(folder, "pid"), "utf8")), "SIGKILL");
    }
  },
);

function closing(watcher: FSWatcher) {
  return { [Symbol.dispose]: () => watcher.close() };
}
