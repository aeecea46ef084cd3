import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mountedTree } from "../../src/image/ways/mounted-tree.ts";
import { describeWith } from "../fakes/missing.ts";
import { emptyDisk, guestFolder, ol6Guest } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const needs = ["mke2fs", "mkfs.xfs", "mkfs.btrfs", "chattr", "losetup", "mount", "loop", "root"];
const guest = {
  ...ol6Guest,
  files: {
    ...ol6Guest.files,
    "/etc/fstab": "",
    "/etc/resolv.conf": "nameserver 10.0.0.1\n",
    "/etc/ssh/ssh_host_rsa_key": "a key",
    "/root/.bash_history": "passwd\n",
  },
};

describeWith(needs, "files that chattr has locked", () => {
  let folder = "";
  let at = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-locked-"));
    at = join(folder, "at");
    await mkdir(at);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ["ext4", ["mke2fs", "-q", "-t", "ext4"], "direct", "e2fsck -fn"],
    ["ext3", ["mke2fs", "-q", "-t", "ext3", "-I", "128"], "debugfs", "e2fsck -fn"],
    ["xfs", ["mkfs.xfs", "-q"], "loop", "xfs_repair -n"],
    ["btrfs", ["mkfs.btrfs", "-q"], "loop", "btrfs check -q"],
  ] as const)("on %s, made by %j, are changed by %s, and locked as before", async (_fs, make, way, check) => {
    const image = join(folder, "disk.img");
    await guestOn(image, make);
    const before = await sha256Of(image);
    const { stdout, stderr, exitCode } = await tbuild("seal", "--yes", "--via", way, image);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain("/etc/resolv.conf (immutable)");
    expect(stdout).toContain("/root/.bash_history (append-only)");
    expect(stdout).toContain("/etc/ssh is immutable (chattr)");
    const volume = join(folder, "volume");
    await host.run(["dd", `if=${image}`, `of=${volume}`, "bs=1M", "skip=1", "conv=sparse", "status=none"]);
    await host.run([...check.split(" "), volume]);
    await host.run(["mount", "-o", "loop,ro", volume, at]);
    try {
      expect(await readFile(join(at, "etc/resolv.conf"), "utf8")).toBe("");
      expect(await flagsOf("etc/resolv.conf")).toBe("i");
      expect(await readdir(join(at, "etc/ssh"))).toEqual([]);
      expect(await flagsOf("etc/ssh")).toBe("i");
      expect(await readdir(join(at, "root"))).toEqual([]);
    } finally {
      await unmountImage(at);
    }
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
  });

  it("are changed in a running guest that is shut down by the same command, and locked as before", async () => {
    const image = join(folder, "disk.img");
    await guestOn(image, ["mke2fs", "-q", "-t", "ext4"]);
    await host.run(["mount", "-o", `loop,offset=${1 << 20}`, image, at]);
    try {
      {
        const farewell = { before: [["true"]], last: ["true"] };
        await using tree = mountedTree(host, at, { farewell });
        for (const path of ["/etc/resolv.conf", "/root/.bash_history"]) await tree.write(path, "");
        await tree.remove("/etc/ssh/ssh_host_rsa_key");
      }
      expect(await readFile(join(at, "etc/resolv.conf"), "utf8")).toBe("");
      expect(await readFile(join(at, "root/.bash_history"), "utf8")).toBe("");
      expect(await readdir(join(at, "etc/ssh"))).toEqual([]);
      expect(await flagsOf("etc/resolv.conf")).toBe("i");
      expect(await flagsOf("etc/ssh")).toBe("i");
      expect(await flagsOf("root/.bash_history")).toBe("a");
    } finally {
      await unmountImage(at);
    }
  });

  /** The guest in the one partition of a disk, with locked files. */
  async function guestOn(image: string, make: readonly string[]) {
    const [root, volume] = [await guestFolder(guest), join(folder, "volume")];
    await rm(volume, { force: true });
    await host.run(["truncate", "-s", "320M", volume]);
    await host.run([...make, volume]);
    await host.run(["mount", "-o", "loop", volume, at]);
    try {
      await host.run(["cp", "-a", `${root}/.`, at]);
      await host.run(["chattr", "+i", join(at, "etc/resolv.conf"), join(at, "etc/ssh")]);
      await host.run(["chattr", "+a", join(at, "root/.bash_history")]);
    } finally {
      await unmountImage(at);
    }
    await emptyDisk(image, 321);
    const copy = ["bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"];
    await host.run(["dd", `if=${volume}`, `of=${image}`, ...copy]);
    await rm(root, { recursive: true });
  }

  async function flagsOf(path: string): Promise<string> {
    const { stdout } = await host.run(["lsattr", "-d", join(at, path)]);
    return (stdout.split(" ")[0] ?? "").replaceAll(/[^ia]/g, "");
  }

  function tbuild(...args: readonly string[]) {
    return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5, 6, 70] });
  }
});
