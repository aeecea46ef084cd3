import { mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { fileSystemOf } from "../../src/image/disk/filesystem.ts";
import { fileReader } from "../../src/io/reader.ts";

// Who claims a volume, by blkid and by us, on the same file: an ext4 that contains a signature.
const host = localHost();
const mib = 1024 * 1024;
const size = 66 * mib + 3 * 4096;
const end = (back: number) => Math.floor(size / 512) * 512 - back;

type Signature = readonly (readonly [at: number, bytes: Buffer | string])[];

const le32 = (...words: number[]) =>
  Buffer.concat(words.map((word) => Buffer.from(new Uint32Array([word]).buffer)));
const le64 = (word: number) => Buffer.from(new BigUint64Array([BigInt(word)]).buffer);
const be64 = (word: number) => le64(word).reverse();
const be32 = (word: number) => le32(word).reverse();
const hex = (text: string) => Buffer.from(text, "hex");

function md1(at: number): Signature {
  const block = Buffer.alloc(256);
  block.writeUInt32LE(0xa92b4efc, 0);
  block.writeUInt32LE(1, 4);
  block.writeBigUInt64LE(BigInt(at / 512), 144);
  return [[at, block]];
}

function md0(kib: number, bigEndian: boolean, minor = 90): Signature {
  const words = [0xa92b4efc, 0, minor, 0, 0, 1, 0, 1, kib, 2, 2, 0, 0, 2, 3, 4];
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

const bitLocker = "3bd66749292ed84a8399f6a339e3d001";

function adaptec(): Buffer {
  const block = Buffer.alloc(512);
  block.writeUInt32BE(0x37fc4d1e, 0);
  block.write("DPTM", 256);
  return block;
}

function jmicron(): Buffer {
  const block = Buffer.alloc(128);
  block.write("JM");
  block.writeUInt8(3, 66);
  let sum = 0;
  for (let at = 0; at < 128; at += 2) sum = (sum + block.readUInt16LE(at)) & 0xffff;
  block.writeUInt16LE(-sum & 0xffff, 4);
  return block;
}

function ddf(magic: string): Buffer {
  const block = Buffer.alloc(512);
  hex(magic).copy(block);
  block.write("LINUX-MD-GUID-0123456789", 8);
  block.write("01.02.00", 32);
  return block;
}

function luks2(magic: string, offset: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(`${magic}\xba\xbe`, "latin1");
  block.writeUInt16BE(2, 6);
  block.writeBigUInt64BE(16384n, 8);
  block.writeBigUInt64BE(BigInt(offset), 256);
  block.write("00000000-1111-2222-3333-444444444444", 168);
  return block;
}

function bcacheBlock(): Buffer {
  const block = Buffer.alloc(208);
  block.writeBigUInt64LE(8n, 8);
  hex("c68573f64e1a45ca8265f57f48ba6d81").copy(block, 24);
  // CRC-64/WE of the data after it.
  block.writeBigUInt64LE(0x3a9954f00666e924n, 0);
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
  "bcache with a wrong sum": [[4096 + 24, hex("c68573f64e1a45ca8265f57f48ba6d81")]],
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
  "HighPoint's RAID, 37x, broken": [[9 * 512 + 32, le32(0x5a7816fd)]],
  "HighPoint's RAID, 45x, broken": [[end(11 * 512), le32(0x5a7816fd)]],
  "Adaptec's RAID": [[end(512), adaptec()]],
  "JMicron's RAID": [[end(512), jmicron()]],
  "JMicron's RAID with a wrong sum": [[end(512), Buffer.concat([jmicron().subarray(0, 60), le32(7)])]],
  "DDF, big-endian": [[end(512), ddf("de11de11")]],
  "DDF, little-endian": [[end(512), ddf("11de11de")]],
  "DDF, 128 KiB before the end": [[end(257 * 512), ddf("de11de11")]],
  "DRBD proxy": [[0, Buffer.concat([Buffer.from("DRBDdlh*"), be64(0), be64(1), Buffer.alloc(64, 7)])]],
  drbdmanage: [[0, `$DRBDmgr=q\n${"0123456789abcdef".repeat(2)}\n`]],
  "LUKS 2": [[0, luks2("LUKS", 0)]],
  "LUKS 2, its first header lost": [[0x8000, luks2("SKUL", 0x8000)]],
  "LUKS 2, its second header at another place": [[0x8000, luks2("SKUL", 0x4000)]],
  "BitLocker, whole": [
    [0, Buffer.concat([hex("eb5890"), Buffer.from("-FVE-FS-"), Buffer.alloc(149), hex(bitLocker)])],
    [176, le64(0x100000)],
    [0x100000, Buffer.concat([Buffer.from("-FVE-FS-"), hex("40000200"), Buffer.alloc(52)])],
  ],
  "BitLocker To Go": [
    [0, Buffer.concat([hex("eb5890"), Buffer.from("MSWIN4.1"), Buffer.alloc(413), hex(bitLocker)])],
    [440, le64(0x100000)],
    [0x100000, Buffer.concat([Buffer.from("-FVE-FS-"), hex("40000200"), Buffer.alloc(52)])],
  ],
  "dm-integrity": [[0, Buffer.concat([Buffer.from("integrt\0"), hex("0103"), Buffer.alloc(54)])]],
  "VMFS member": [[1 << 20, le32(0xc001d00d, 3)]],
  UBI: [[0, Buffer.concat([Buffer.from("UBI#\x01"), Buffer.alloc(60)])]],
  VDO: [[0, Buffer.concat([Buffer.from("dmvdo001"), Buffer.alloc(64)])]],
  bluestore: [[0, "bluestore block device\n00000000-1111-2222-3333-444444444444\n"]],
  "bcache, whole": [[4096, bcacheBlock()]],
  "MD 0.90, minor 91": md0(65536, false, 91),
  "MD 1.0 with a bitmap behind the file system": md1(Math.floor(size / 4096) * 4096 - 8192),
  "HighPoint's RAID, 45x": [[end(11 * 512), le32(0x5a7816f3)]],
};

type Made = Signature | ((file: string) => Promise<unknown>);

const made =
  (...argv: string[]) =>
  (file: string) =>
    host.run([...argv, file]);

const page = (signature: string, pageBytes = 4096): Signature => [
  [1024, le32(1, 99)],
  [pageBytes - 20, "SWAPSPACE2"],
  [pageBytes - 10, signature],
];

/** Volumes of kinds that libblkid knows, made by their own tools if there are any. */
const others: Readonly<Record<string, Made>> = {
  ext2: made("mke2fs", "-qF", "-t", "ext2"),
  "ext3, blocks of 1 KiB": made("mke2fs", "-qF", "-t", "ext3", "-b", "1024"),
  "ext4 without a journal": made("mke2fs", "-qF", "-t", "ext4", "-O", "^has_journal"),
  "ext4 with bigalloc": made("mke2fs", "-qF", "-t", "ext4", "-O", "bigalloc"),
  "a journal of ext": made("mke2fs", "-qF", "-O", "journal_dev", "-b", "4096"),
  "FAT 12": made("mkfs.vfat", "-F", "12", "-s", "64"),
  "FAT 16": made("mkfs.vfat", "-F", "16"),
  "FAT 32": made("mkfs.vfat", "-F", "32"),
  "FAT 16 with a label": made("mkfs.vfat", "-F", "16", "-n", "EFI"),
  swap: made("mkswap", "-q"),
  "swap with pages of 64 KiB": page("SWAPSPACE2", 65536),
  "swap of the first version": [[4086, "SWAP-SPACE"]],
  "an Oracle ASM disk": [[32, "ORCLDISK"]],
  OCFS2: [[4096, "OCFSV2"]],
  squashfs: [[0, Buffer.concat([Buffer.from("hsqs"), Buffer.alloc(24), hex("04000000")])]],
  cramfs: made("mkfs.cramfs", "/etc/skel"),
  minix: made("mkfs.minix"),
  bfs: made("mkfs.bfs"),
  GFS2: [
    [
      65536,
      Buffer.concat([hex("01161970"), hex("00000001"), Buffer.alloc(16), hex("00000709"), hex("0000076c")]),
    ],
  ],
  TuxOnIce: [[0, hex("edc302e99856e50c")], ...page("SWAPSPACE2")],
  VMFS: [[2 << 20, hex("5ef1ab2f")]],
  romfs: [[0, "-rom1fs-\0\0\x01\0"]],
  UFS2: [[65536 + 1372, hex("19015419")]],
  VxFS: [[1024, hex("f5fc01a5")]],
};

// blkid also checks the data that this points to. A damaged member is still a member.
const damagedMembers = ["BitLocker"];

const plain = ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "swap"];

describe("what claims a volume", () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-members-"));
    file = join(folder, "volume.img");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function blank() {
    await rm(file, { force: true });
    await (await open(file, "w")).close();
    await truncate(file, size);
  }

  async function put(signature: Signature) {
    await using handle = await open(file, "r+");
    for (const [at, bytes] of signature) await handle.write(Buffer.from(bytes as Buffer), 0, undefined, at);
  }

  async function wordOfBlkid() {
    const { stdout } = await host.run(["blkid", "-p", "-o", "export", file], { allow: [2, 8] });
    return {
      type: /^TYPE=(.*)$/m.exec(stdout)?.[1],
      label: /^LABEL=(.*)$/m.exec(stdout)?.[1],
      isClaimed: /^USAGE=(?:raid|crypto)$/m.test(stdout) || /^TYPE=DM_/m.test(stdout),
    };
  }

  async function ours() {
    await using reader = await fileReader(file);
    return await fileSystemOf(reader);
  }

  it.each(Object.entries(signatures))("is recognized as blkid does: %s", async (name, signature) => {
    await blank();
    await host.run(["mke2fs", "-qF", "-t", "ext4", file]);
    await put(signature);
    const { type, isClaimed } = await wordOfBlkid();
    const { fs, refused } = await ours();
    const isDamaged = damagedMembers.includes(name);
    if (isDamaged) expect(isClaimed).toBe(false);
    // If blkid cannot decide, it says nothing; tbuild does not edit a volume that may be a member.
    if (isClaimed || type === undefined || isDamaged)
      expect([fs, refused]).toEqual(["unknown", expect.stringMatching(/^(?:is|contains|holds) /)]);
    else expect([fs, refused]).toEqual(["ext4", undefined]);
  });

  it("is no longer found after mkfs, for every kind", async () => {
    const makers: [fs: string, argv: string[]][] = [
      ["ext4", ["mke2fs", "-qF", "-t", "ext4"]],
      ["swap", ["mkswap", "-q"]],
    ];
    for (const [name, signature] of Object.entries(signatures))
      for (const [fs, argv] of makers) {
        await blank();
        await put(signature);
        await host.run([...argv, file]);
        const { type } = await wordOfBlkid();
        if (type === fs) expect([name, (await ours()).fs]).toEqual([name, fs]);
      }
  });

  // tbuild never edits a volume that blkid calls something else.
  it.each(Object.entries(others))(
    "is not a plain file system if blkid says otherwise: %s",
    async (_name, make) => {
      await blank();
      if (typeof make === "function") await make(file);
      else await put(make);
      const { type, label } = await wordOfBlkid();
      expect(type).toBeDefined();
      const { fs, label: ourLabel } = await ours();
      if (fs !== "unknown") expect(ourLabel).toBe(label);
      if (fs !== "unknown") expect(plain).toContain(type);
      expect(fs).toBe(plain.includes(type ?? "") ? type : "unknown");
    },
  );
});
