import { mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { fileSystemOf } from "../../src/image/disk/filesystem.ts";
import { fileReader } from "../../src/io/reader.ts";

// What claims a volume, by blkid's word and by ours, on the same file: an ext4 in which a signature stands.
const host = localHost();
const mib = 1024 * 1024;
const size = 66 * mib + 3 * 4096;
const end = (back: number) => Math.floor(size / 512) * 512 - back;

type Signature = readonly (readonly [at: number, bytes: Buffer | string])[];

const le32 = (...words: number[]) =>
  Buffer.concat(words.map((word) => Buffer.from(new Uint32Array([word]).buffer)));
const be32 = (word: number) => le32(word).reverse();
const hex = (text: string) => Buffer.from(text, "hex");

function md1(at: number): Signature {
  const block = Buffer.alloc(256);
  block.writeUInt32LE(0xa92b4efc, 0);
  block.writeUInt32LE(1, 4);
  block.writeBigUInt64LE(BigInt(at / 512), 144);
  return [[at, block]];
}

function md0(kib: number, bigEndian: boolean): Signature {
  const words = [0xa92b4efc, 0, 90, 0, 0, 1, 0, 1, kib, 2, 2, 0, 0, 2, 3, 4];
  return [
    [Math.floor(size / 65536) * 65536 - 65536, bigEndian ? Buffer.concat(words.map(be32)) : le32(...words)],
  ];
}

function zfs(at: number, count: number, order: "LE" | "BE"): Signature {
  return Array.from({ length: count }, (_, index) => {
    const uber = Buffer.alloc(40);
    if (order === "LE") uber.writeBigUInt64LE(0xbab10cn);
    else uber.writeBigUInt64BE(0xbab10cn);
    return [at + 128 * 1024 + (index + 4) * 1024, uber] as const;
  });
}

function via(): Buffer {
  const block = Buffer.alloc(51);
  block.writeUInt16LE(0xaa55);
  block[2] = 1;
  block[10] = 7;
  block[50] = block.subarray(0, 50).reduce((sum, byte) => (sum + byte) & 0xff, 0);
  return block;
}

function silicon(): Buffer {
  const block = Buffer.alloc(512);
  block.writeUInt32LE(0x2f000000, 0x60);
  block[0x116] = 1;
  let sum = 0;
  for (let at = 0; at < 0x13e; at += 2) sum += block.readUInt16LE(at);
  block.writeUInt16LE(-sum & 0xffff, 0x13e);
  return block;
}

const signatures: Readonly<Record<string, Signature>> = {
  "nothing but ext4": [],
  "MD 0.90": md0(65536, false),
  "MD 0.90 of a big-endian machine": md0(65536, true),
  "MD 0.90 of something larger": md0(10 * 65536, false),
  "MD 1.0": md1(Math.floor(size / 4096) * 4096 - 8192),
  "MD 1.1": md1(0),
  "MD 1.2": md1(4096),
  "MD 1.2 that was copied from elsewhere": [[4096, (md1(0)[0] ?? expect.fail())[1]]],
  "LUKS 1": [[0, Buffer.concat([Buffer.from("LUKS\xba\xbe\0\x01", "latin1"), Buffer.alloc(584)])]],
  BitLocker: [
    [
      0,
      Buffer.concat([
        hex("eb5890"),
        Buffer.from("-FVE-FS-"),
        Buffer.alloc(149),
        hex("3bd66749292ed84a8399f6a339e3d001"),
      ]),
    ],
  ],
  "LVM 1": [[0, Buffer.from("HM\x01\0")]],
  "a snapshot's store": [[0, "SnAp"]],
  "dm-verity": [[0, Buffer.concat([Buffer.from("verity\0\0"), le32(1, 1)])]],
  bcache: [[4096 + 24, hex("c68573f64e1a45ca8265f57f48ba6d81")]],
  "DRBD 8": [[size - 4096 + 60, be32(0x8374026b)]],
  "DRBD 8.4, unclean": [[size - 4096 + 60, be32(0x8374026c)]],
  "DRBD 9": [[size - 4096 + 60, be32(0x8374026d)]],
  "ZFS at the start": zfs(0, 5, "LE"),
  "ZFS at the end": zfs(Math.floor(size / (256 * 1024)) * 256 * 1024 - 256 * 1024, 5, "BE"),
  "three uberblocks of an old ZFS": zfs(0, 3, "LE"),
  "Intel's RAID": [[end(1024), "Intel Raid ISM Cfg Sig. 1.1.00"]],
  "LSI's RAID": [[end(512), "$XIDE$"]],
  "NVIDIA's RAID": [[end(1024), Buffer.concat([Buffer.from("NVIDIA\0\0"), le32(30)])]],
  "VIA's RAID": [[end(512), via()]],
  "VIA's RAID with a wrong sum": [[end(512), hex("55aa0100ff")]],
  "Silicon Image's RAID": [[end(512), silicon()]],
  "Promise's RAID": [[end(63 * 512), "Promise Technology, Inc."]],
  "Promise's RAID far from the end": [[end(3087 * 512), "Promise Technology, Inc."]],
  "HighPoint's RAID, 37x": [[9 * 512 + 32, le32(0x5a7816f0)]],
  "HighPoint's RAID, 45x": [[end(11 * 512), le32(0x5a7816f3)]],
};

describe("what claims a volume", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-members-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(Object.entries(signatures))("is seen as blkid sees it: %s", async (name, signature) => {
    const file = join(folder, `${name.replaceAll(/\W/g, "-")}.img`);
    await (await open(file, "w")).close();
    await truncate(file, size);
    await host.run(["mke2fs", "-qF", "-t", "ext4", file]);
    const handle = await open(file, "r+");
    for (const [at, bytes] of signature) await handle.write(Buffer.from(bytes as Buffer), 0, undefined, at);
    await handle.close();
    const { stdout } = await host.run(["blkid", "-p", "-o", "export", file], { allow: [2, 8] });
    const isClaimed = /^USAGE=(?:raid|crypto)$/m.test(stdout) || /^TYPE=DM_/m.test(stdout);
    await using reader = await fileReader(file);
    const { fs, refused } = await fileSystemOf(reader);
    // blkid wants the sums of these two to be right as well; a damaged member is one all the same.
    if (["BitLocker", "bcache"].includes(name)) expect(isClaimed).toBe(false);
    // Where blkid cannot decide it says nothing, and what may be a member is not edited.
    if (isClaimed || stdout === "" || ["BitLocker", "bcache"].includes(name))
      expect([fs, refused]).toEqual(["unknown", expect.stringMatching(/^(?:is|holds) /)]);
    else expect([fs, refused]).toEqual(["ext4", undefined]);
    await rm(file);
  });
});
