import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freeRunsOfBtrfs } from "../../src/image/btrfs/free-space.ts";
import { subvolumesOf } from "../../src/image/btrfs/subvolumes.ts";
import { fileReader } from "../../src/io/reader.ts";
import { describeWith } from "../fakes/missing.ts";
import { emptyDisk, guestFolder, ol6Guest, putIntoPartition } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const needs = ["mkfs.btrfs", "btrfs", "mount", "losetup", "loop", "root"];
const secret = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyz\n";

describeWith(needs, "a btrfs", () => {
  let folder = "";
  let volume = "";
  let at = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-btrfs-"));
    [volume, at] = [join(folder, "volume"), join(folder, "at")];
    await mkdir(at);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function make(options: readonly string[], work: () => Promise<void>, megabytes = 320) {
    await rm(volume, { force: true });
    await host.run(["truncate", "-s", `${megabytes}M`, volume]);
    await host.run(["mkfs.btrfs", "-q", ...options, volume]);
    await mounted(work);
  }

  async function mounted(work: () => Promise<void>) {
    await host.run(["mount", "-o", "loop", volume, at]);
    try {
      await work();
    } finally {
      await unmountImage(at);
    }
  }

  const subvolume = (...args: readonly string[]) => host.run(["btrfs", "subvolume", ...args]);
  const sh = (script: string) => host.run(["sh", "-ec", script, "sh", at]);

  it("names its subvolumes by their paths, as btrfs lists them", async () => {
    await make([], async () => {
      await sh('mkdir -p "$1/a/b" && echo x > "$1/a/file"');
      await subvolume("create", join(at, "root"));
      await subvolume("create", join(at, "a/b/deep"));
      await sh('mkdir -p "$1/root/x y" && echo x > "$1/root/x y/file"');
      await subvolume("create", join(at, "root/x y/caf\u00e9"));
      await subvolume("snapshot", "-r", join(at, "root"), join(at, "root/before"));
      const id = /\bID (\d+) .* path root$/m.exec((await subvolume("list", at)).stdout)?.[1] ?? "";
      await subvolume("set-default", id, at);
    });
    await using reader = await fileReader(volume);
    const found = await subvolumesOf(reader, "p1");
    const shown = Object.fromEntries(
      found.map(({ path, isSnapshot, isEmpty, isDefault }) => [
        path,
        [isSnapshot && "snapshot", isEmpty && "empty", isDefault && "default"].filter((one) => one !== false),
      ]),
    );
    expect(shown).toEqual({
      "": [],
      root: ["default"],
      "a/b/deep": ["empty"],
      [Buffer.from("root/x y/café").toString()]: ["empty"],
      "root/before": ["snapshot"],
    });
  });

  it.each([
    ["of one copy", ["-m", "single"]],
    ["with mirrored metadata", ["-m", "dup"]],
    ["with data and metadata mixed", ["--mixed"]],
    ["with nodes of 4 KiB and no free space tree", ["-n", "4096", "-R", "^free-space-tree"]],
  ])("%s stays sound and keeps its files when all free space is overwritten", async (_what, options) => {
    await make(options, async () => {
      for (let round = 0; round < 3; round++)
        await sh(
          'for i in $(seq 300); do head -c $((i * 700)) /dev/urandom > "$1/file-$i"; done; sync; rm "$1"/file-*[05]; sync',
        );
      await subvolume("snapshot", at, join(at, "snapshot"));
      await sh('(cd "$1" && find . -type f -exec sha256sum {} + | sort) > "$1/../sums"');
    });
    let bytes = 0;
    {
      await using reader = await fileReader(volume);
      await using writer = await open(volume, "r+");
      for await (const run of freeRunsOfBtrfs(reader, "p1")) {
        expect(run.bytes % 4096 || run.offset % 4096).toBe(0);
        for (let done = 0; done < run.bytes; done += 1 << 20) {
          const data = Buffer.alloc(Math.min(1 << 20, run.bytes - done), 0xa5);
          await writer.write(data, 0, data.length, run.offset + done);
        }
        bytes += run.bytes;
      }
    }
    expect(bytes).toBeGreaterThan(200 << 20);
    await host.run(["btrfs", "check", "-q", volume]);
    await mounted(async () => {
      await host.run(["btrfs", "scrub", "start", "-B", at]);
      await sh('cd "$1" && find . -type f -exec sha256sum {} + | sort | cmp - ../sums');
    });
  });

  it("is scrubbed with the guest in it, and its snapshot is named", async () => {
    const image = join(folder, "disk.img");
    const fstab = "/dev/sda1 / btrfs subvol=root 0 0\n";
    const root = await guestFolder({ ...ol6Guest, files: { ...ol6Guest.files, "/etc/fstab": fstab } });
    await make([], async () => {
      await subvolume("create", join(at, "root"));
      await host.run(["cp", "-a", `${root}/.`, join(at, "root")]);
      await writeFile(join(at, "root/srv-key"), secret.repeat(200));
      await sh('sync; rm "$1/root/srv-key"; sync');
    });
    await rm(root, { recursive: true });
    const onDisk = async () => {
      await emptyDisk(image, 321);
      await putIntoPartition(image, volume);
    };
    const holdsSecret = async () =>
      (await host.run(["grep", "-ac", "PRIVATE KEY", image], { allow: [1] })).stdout.trim();
    await onDisk();
    expect(await holdsSecret()).not.toBe("0");
    const before = await sha256Of(image);
    expect((await tbuild("seal", "--check", "--residue", image)).stdout).toMatch(/\d free block/);
    const sealed = await tbuild("seal", "--yes", "--scrub", image);
    expect(sealed.exitCode, sealed.stderr).toBe(0);
    expect(await holdsSecret()).toBe("0");
    await host.run(["dd", `if=${image}`, `of=${volume}`, "bs=1M", "skip=1", "conv=sparse", "status=none"]);
    await host.run(["btrfs", "check", "-q", volume]);
    expect((await tbuild("seal", "--check", "--residue", image)).stdout).not.toMatch(/left: .*free block/);
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);

    await mounted(async () => {
      await subvolume("snapshot", "-r", join(at, "root"), join(at, "root/before"));
      await subvolume("create", join(at, "root/machines"));
      await subvolume("create", join(at, "home"));
      await sh('echo x > "$1/home/x"; echo x > "$1/root/machines/x"');
    });
    await onDisk();
    const named = await tbuild("seal", "--plan", image);
    expect(named.exitCode, named.stderr).toBe(6);
    expect(named.stdout).toContain(
      "not inspected: the snapshot root/before of p1 contains old versions of files",
    );
    expect(named.stdout).toContain("not inspected: the subvolume home of p1 contains files");
    expect(named.stdout).not.toContain("machines");
  });

  it.each([
    ["several devices", 0x88, [2], "has several devices"],
    ["a log that must be replayed", 0x60, [0, 0, 16], "has a log"],
    ["a format of the future", 0xbd, [0x20], "has features that tbuild does not know"],
    ["a root nowhere", 0x55, [0xff], "its btrfs is damaged"],
    ["nodes of no size", 0x94, [0, 0, 0, 0], "its btrfs is damaged"],
  ])("with %s shows neither its free space nor its subvolumes", async (_what, place, bytes, words) => {
    await make([], async () => {});
    {
      await using file = await open(volume, "r+");
      await file.write(Buffer.from(bytes), 0, bytes.length, 65536 + place);
    }
    await using reader = await fileReader(volume);
    await expect(subvolumesOf(reader, "p1")).rejects.toThrow(words);
    await expect(async () => {
      for await (const _run of freeRunsOfBtrfs(reader, "p1"));
    }).rejects.toThrow(words);
  });

  function tbuild(...args: readonly string[]) {
    return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5, 6, 70] });
  }
});
