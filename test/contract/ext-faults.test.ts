import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { host, sha256Of, start } from "./dirty-image.ts";

const lacking = missing("mke2fs", "e2fsck", "debugfs", "dumpe2fs");
const blockBytes = 1024;

/** Lines for debugfs, or bytes of the file system in which to flip one bit each. */
type Fault = readonly string[] | ((file: string) => Promise<readonly (number | string)[]>);

const block =
  (pattern: RegExp, offset: number): Fault =>
  async (file) => {
    const { stdout } = await host.run(["dumpe2fs", `${file}?offset=${start}`]);
    return [Number(pattern.exec(stdout)?.[1] ?? expect.fail()) * blockBytes + offset];
  };

// A block of a file or folder, by its index.
const blockOf =
  (path: string, index: number, offset: number): Fault =>
  async (file) => {
    const { stdout } = await host.run(["debugfs", "-R", `bmap ${path} ${index}`, `${file}?offset=${start}`]);
    return [Number(stdout.trim()) * blockBytes + offset];
  };

const inode =
  (path: string, offset: number): Fault =>
  async (file) => {
    const { stdout } = await host.run(["debugfs", "-R", `imap ${path}`, `${file}?offset=${start}`]);
    const [, at, inside] = /at block (\d+), offset (0x[\da-f]+)/.exec(stdout) ?? [];
    return [Number(at) * blockBytes + Number(inside) + offset];
  };

const freed =
  (path: string): Fault =>
  async (file) => {
    const { stdout } = await host.run(["debugfs", "-R", `bmap ${path} 0`, `${file}?offset=${start}`]);
    return [`freeb ${stdout.trim()}`];
  };

const owned =
  (path: string, pattern: RegExp): Fault =>
  async (file) => {
    const { stdout } = await host.run(["dumpe2fs", `${file}?offset=${start}`]);
    return [`sif ${path} block[5] ${pattern.exec(stdout)?.[1]}`];
  };

const firstInodes = /Inode bitmap at (\d+)/;
const firstBlocks = /Block bitmap at (\d+)/;

/** Faults in structures that a seal touches, each with a word of the refusal. */
const faults: Readonly<Record<string, readonly [fault: Fault, words: RegExp]>> = {
  "the superblock's checksum": [async () => [1024 + 120], /superblock/],
  "a group's count of free blocks": [
    ["set_bg 0 free_blocks_count 1", "set_bg 0 checksum calc"],
    /count of free blocks/,
  ],
  "a group's count of free inodes": [
    ["set_bg 0 free_inodes_count 3", "set_bg 0 checksum calc"],
    /count of free inodes/,
  ],
  "the superblock's count of free inodes": [["ssv free_inodes_count 4294967295"], /count of free inodes/],
  "a folder's count of its folders": [["sif /tmp links_count 0"], /miscounts its subfolders/],
  "a folder's count that is too high": [["sif /tmp links_count 9"], /miscounts its subfolders/],
  "a removed file with a second name that is not counted": [
    ["ln /etc/ssh/ssh_host_rsa_key /srv-key"],
    /has 2 names, but its inode counts 1/,
  ],
  "a changed file with a name less than its inode counts": [
    ["sif /etc/shadow links_count 2"],
    /has 1 name, but its inode counts 2/,
  ],
  "a file that counts as removed": [["sif /etc/shadow links_count 0"], /inode counts 0/],
  "a file's count of its blocks": [["sif /etc/shadow blocks 40"], /but another count/],
  "a file that is longer than its size": [["sif /etc/ssh/ssh_host_long_key size 100"], /a size of 100 bytes/],
  "a folder's size": [["sif /tmp size 1024"], /a size of 1024 bytes/],
  "a file whose inode is a device's": [['sif "/tmp/a folder/a file" mode 060600'], /different types/],
  "a group's checksum": [["set_bg 0 checksum 0x1234"], /descriptor of group 0/],
  "a later group's checksum": [["set_bg 1 checksum 0x1234"], /descriptor of group 1/],
  "a group's place of its block bitmap": [
    ["set_bg 0 block_bitmap 999999", "set_bg 0 checksum calc"],
    /descriptor of group 0/,
  ],
  "a group's place of its inode bitmap": [
    ["set_bg 0 inode_bitmap 0", "set_bg 0 checksum calc"],
    /descriptor of group 0/,
  ],
  "a group's place of its inodes": [
    ["set_bg 0 inode_table 888888", "set_bg 0 checksum calc"],
    /cannot be read/,
  ],
  "a bit of the block bitmap": [block(firstBlocks, 40), /blocks/],
  "a bit of the inode bitmap": [block(firstInodes, 1), /inodes/],
  "the checksum of an inode": [inode("/etc/shadow", 20), /checksum of inode/],
  "the checksum of a folder's inode": [inode("/etc", 20), /checksum of inode/],
  "an extent tree": [inode("/etc/shadow", 40), /checksum of inode|extent tree/],
  "a file's block, which is said to be free": [freed("/etc/shadow"), /marked as free|count of free blocks/],
  "the checksum of a folder's block": [blockOf("/etc", 0, blockBytes - 2), /checksum of a block of folder/],
  "a name in a folder": [blockOf("/etc", 0, 30), /checksum of a block of folder|a folder/],
  "the length of an entry in a folder": [blockOf("/etc", 0, 5), /a folder|checksum of a block of folder/],
  "the index of a folder": [blockOf("/tmp", 0, 45), /checksum of a block of folder/],
  "a leaf of an indexed folder": [blockOf("/tmp", 1, blockBytes - 3), /checksum of a block of folder/],
  "a folder that contains itself": [["unlink /etc/sysconfig", "ln /etc /etc/sysconfig"], /contains itself/],
  "a file with a block of the group descriptors": [
    ["sif /etc/ssh/ssh_host_rsa_key block[5] 2"],
    /and to the file system/,
  ],
  "a file with a block of the inode tables": [
    owned("/etc/ssh/ssh_host_rsa_key", firstInodes),
    /and to the file system/,
  ],
};

describe.skipIf(lacking !== undefined)(
  `a fault of an ext that says it is clean is named, and nothing is changed${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let folder = "";
    let whole = "";
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-faults-"));
      whole = join(folder, "whole.img");
      const many = Object.fromEntries(
        Array.from({ length: 300 }, (_, index) => [`/tmp/a file with a long name ${index}`, "x"]),
      );
      const files = {
        ...ol6Guest.files,
        ...many,
        "/etc/shadow": "root:$6$a$b:1::::::\n",
        "/etc/ssh/ssh_host_rsa_key": "k",
        "/etc/ssh/ssh_host_long_key": "k".repeat(5000),
        "/tmp/a folder/a file": "x",
      };
      await extDisk(whole, { ...ol6Guest, files }, { options: ["-t", "ext4", "-b", "1024"] });
      await host.run(["e2fsck", "-fyD", `${whole}?offset=${start}`], { allow: [1] });
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    const plan = async (image: string) => {
      await using planned = await planJob(host, image, { operations: sealOperations() }, { via: "direct" });
      return planned.pieces.length;
    };

    it("but a sound one is planned", async () => {
      expect(await plan(whole)).toBeGreaterThan(0);
    });

    it.each(Object.entries(faults))("%s", async (_name, [fault, words]) => {
      const image = join(folder, "faulty.img");
      await host.run(["cp", "--sparse=always", whole, image]);
      const made = typeof fault === "function" ? await fault(image) : fault;
      const lines = made.filter((one) => typeof one === "string");
      if (lines.length > 0)
        await host.run(["debugfs", "-w", "-f", "-", `${image}?offset=${start}`], {
          input: `${lines.join("\n")}\n`,
        });
      for (const at of made.filter((one) => typeof one === "number")) {
        await using file = await open(image, "r+");
        const byte = Buffer.alloc(1);
        await file.read(byte, 0, 1, start + at);
        byte.writeUInt8(byte.readUInt8(0) ^ 0x10);
        await file.write(byte, 0, 1, start + at);
      }
      const digest = await sha256Of(image);
      await expect(plan(image)).rejects.toThrow(words);
      expect(await sha256Of(image)).toBe(digest);
    });
  },
);
