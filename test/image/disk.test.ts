import { describe, expect, it } from "vitest";
import type { Volume } from "../../src/image/access.ts";
import { insideOf, layoutOf } from "../../src/image/disk/disk.ts";
import { fileSystemOf } from "../../src/image/disk/filesystem.ts";
import { fstabEntries, resolveMounts } from "../../src/image/disk/fstab.ts";
import { partitionTableOf } from "../../src/image/disk/partitions.ts";
import { bytesReader } from "../../src/io/reader.ts";
import { gpt, mbr, physicalVolume, segment, volumeGroup } from "./disk-tables.ts";

const mib = 1048576;

function disk(bytes: number, ...parts: readonly (readonly [number, Buffer])[]) {
  const image = Buffer.alloc(bytes);
  for (const [at, part] of parts) part.copy(image, at);
  return bytesReader(image);
}

function superblock(magic: string | number, at: number): Buffer {
  const block = Buffer.alloc(70 * 1024);
  if (typeof magic === "string") block.write(magic, at, "latin1");
  else block.writeUInt16LE(magic, at);
  return block;
}

const ext = superblock(0xef53, 1024 + 56);

describe("partitions", () => {
  it("are read from an MBR, logical ones too, counted as Linux does", async () => {
    const table = mbr([
      { type: 0x83, start: 2048, count: 2048 },
      { type: 0x05, start: 4096, count: 8192 },
    ]);
    const first = mbr([
      { type: 0x83, start: 63, count: 100 },
      { type: 0x05, start: 2048, count: 2048 },
    ]);
    const second = mbr([{ type: 0x82, start: 63, count: 200 }]);
    const image = disk(8 * mib, [0, table], [4096 * 512, first], [(4096 + 2048) * 512, second]);
    expect((await partitionTableOf(image)).partitions).toMatchObject([
      { name: "p1", offset: mib, bytes: mib },
      { name: "p5", offset: (4096 + 63) * 512, bytes: 100 * 512 },
      { name: "p6", offset: (4096 + 2048 + 63) * 512, bytes: 200 * 512 },
    ]);
  });

  it("are read from a GPT", async () => {
    const image = disk(4 * mib, [0, gpt([{ first: 2048, last: 4095 }])]);
    expect(await partitionTableOf(image)).toMatchObject({
      table: "gpt",
      sectorBytes: 512,
      partitions: [{ name: "p1", offset: mib, bytes: mib }],
    });
  });

  it("are read from a GPT of a disk with sectors of 4096 bytes", async () => {
    const image = disk(4 * mib, [0, gpt([{ first: 256, last: 511 }], 4 * mib, 4096)]);
    expect(await partitionTableOf(image)).toMatchObject({
      table: "gpt",
      sectorBytes: 4096,
      partitions: [{ name: "p1", offset: mib, bytes: mib }],
    });
  });

  it.each([512, 4096])(
    "are read from the backup of a GPT that is damaged (sectors of %i bytes)",
    async (size) => {
      const first = mib / size;
      for (const place of [size, size + 20, 2 * size + 40]) {
        const data = gpt([{ first, last: 2 * first - 1 }], 4 * mib, size);
        data.fill(0xff, place, place + 16);
        const { partitions, fault } = await partitionTableOf(disk(4 * mib, [0, data]));
        expect(partitions).toMatchObject([{ name: "p1", offset: mib, bytes: mib }]);
        expect(fault).toContain("backup");
      }
    },
  );

  it("are read from a GPT whose checksums are all wrong, which is reported", async () => {
    const data = gpt([{ first: 2048, last: 4095 }]);
    data.fill(0, 512 + 16, 512 + 20);
    data.fill(0, data.length - 512);
    const { partitions, fault } = await partitionTableOf(disk(4 * mib, [0, data]));
    expect(partitions).toHaveLength(1);
    expect(fault).toContain("checksums");
  });

  it.each([512, 4096])(
    "are named if the protective MBR of a GPT is missing (sectors of %i bytes)",
    async (size) => {
      const data = gpt([{ first: mib / size, last: (2 * mib) / size - 1 }], 4 * mib, size);
      data.fill(0, 0, 512);
      const { volumes, tableFault } = await layoutOf(disk(4 * mib, [0, data]));
      expect(volumes).toMatchObject([{ name: "disk", fs: "unknown" }]);
      expect(tableFault).toContain("without a protective MBR");
    },
  );

  it("of a hybrid MBR beside a GPT count in sectors of the GPT's size", async () => {
    const data = gpt([{ first: 256, last: 511 }], 4 * mib, 4096);
    data.set(
      mbr([
        { type: 0xee, start: 1, count: 255 },
        { type: 0x83, start: 256, count: 256 },
      ]).subarray(0, 512),
    );
    const { own, partitions } = await partitionTableOf(disk(4 * mib, [0, data]));
    expect(partitions).toMatchObject([{ name: "p1", offset: mib }]);
    expect(own).toContainEqual({ offset: mib, bytes: mib });
  });

  it("are read from an MBR that counts in sectors of 4096 bytes, if they then have contents", async () => {
    const image = disk(
      8 * mib,
      [0, mbr([{ type: 0x83, start: 256, count: 512 }])],
      [mib + 4086, Buffer.from("SWAP-SPACE")],
    );
    const { volumes, tableFault } = await layoutOf(image);
    expect(volumes[0]).toMatchObject({ offset: mib, bytes: 2 * mib, fs: "swap", isOffTable: true });
    expect(tableFault).toContain("4096");
  });

  it("end when the chain of logical partitions is a circle", async () => {
    const extended = mbr([{ type: 0x05, start: 2048, count: 2048 }]);
    const loop = mbr([{ type: 0x05, start: 0, count: 1 }]);
    loop.writeUInt32LE(1, 446 + 12);
    const { partitions } = await partitionTableOf(disk(4 * mib, [0, extended], [mib, loop]));
    expect(partitions).toEqual([]);
  });

  it("are none on a disk that is one file system", async () => {
    expect((await layoutOf(disk(4 * mib, [0, ext]))).table).toBe("none");
    expect((await layoutOf(disk(4 * mib, [0, ext]))).volumes[0]).toMatchObject({
      name: "disk",
      fs: "ext2",
      offset: 0,
    });
  });
});

describe("a volume", () => {
  it.each([
    ["xfs", "XFSB", 0],
    ["btrfs", "_BHRfS_M", 65536 + 64],
    ["swap", "SWAP-SPACE", 4086],
    ["unknown", "SWAPSPACE2", 4086],
    ["vfat", "FAT32", 82],
    ["unknown", "", 0],
  ] as const)("is recognized as %s", async (fs, magic, at) => {
    expect((await fileSystemOf(bytesReader(superblock(magic, at)))).fs).toBe(fs);
  });

  it.each([
    ["LUKS", superblock("LUKS\u00ba\u00be", 0)],
    [
      "software RAID",
      Buffer.concat([
        Buffer.alloc(4096),
        Buffer.from([0xfc, 0x4e, 0x2b, 0xa9, 1]),
        Buffer.alloc(139),
        Buffer.from([8]),
        Buffer.alloc(65536),
      ]),
    ],
  ])("with %s is named and refused", async (words, content) => {
    const [volume] = (await layoutOf(disk(4 * mib, [0, content]))).volumes;
    expect(volume?.refused).toContain(words);
  });
});

describe("LVM2", () => {
  const group = volumeGroup({ root: segment(1, 1, 2), swap: segment(1, 3, 1) });

  it.each([
    ["in one piece", 512],
    ["over the end of its ring", 65536 - 100],
  ])("metadata %s gives linear volumes by arithmetic", async (_how, at) => {
    const root = mib + mib + 4 * mib;
    const table = mbr([{ type: 0x8e, start: 2048, count: 40 * 2048 }]);
    const image = disk(48 * mib, [0, table], [mib, physicalVolume(group, at)], [root, ext]);
    expect((await layoutOf(image)).volumes).toMatchObject([
      { name: "vg-a/root", offset: root, bytes: 8 * mib, fs: "ext2" },
      { name: "vg-a/swap", offset: root + 8 * mib, bytes: 4 * mib, fs: "unknown" },
    ]);
  });

  it.each([
    ["is striped over 2", segment(1, 0, 1, "striped", 2)],
    ['is of the type "thin"', segment(1, 0, 1, "thin")],
  ])("a volume that %s is refused", async (words, segments) => {
    const image = disk(8 * mib, [0, physicalVolume(volumeGroup({ data: segments }))]);
    const [volume] = (await layoutOf(image)).volumes;
    expect(volume?.refused).toContain(words);
  });

  it("a volume in two pieces is read as one, and pieces that touch are one", async () => {
    const data = Buffer.concat([
      Buffer.from(
        physicalVolume(volumeGroup({ data: `${segment(1, 0, 1)}\n${segment(2, 3, 1, undefined, 1, 1)}` })),
      ),
    ]);
    const image = disk(24 * mib, [0, data], [mib, ext], [mib + 12 * mib, Buffer.from("second piece")]);
    const [volume] = (await layoutOf(image)).volumes;
    expect(volume).toMatchObject({
      fs: "ext2",
      bytes: 8 * mib,
      pieces: [
        { offset: mib, bytes: 4 * mib },
        { offset: 13 * mib, bytes: 4 * mib },
      ],
    });
    const inside = insideOf(image, volume ?? expect.fail());
    expect(Buffer.from(await inside.read(4 * mib - 2, 14)).toString()).toBe("\0\0second piece");
    const touching = volumeGroup({ data: `${segment(1, 0, 1)}\n${segment(2, 1, 2, undefined, 1, 1)}` });
    expect((await layoutOf(disk(24 * mib, [0, physicalVolume(touching)]))).volumes[0]).toMatchObject({
      offset: mib,
      bytes: 12 * mib,
    });
  });
});

const mountsFromFstab = (fstab: string, volumes: readonly Volume[], root: Volume) =>
  resolveMounts(fstabEntries(fstab), volumes, root).mounts;

describe("mounts", () => {
  const volume = (name: string, fs: "ext4" | "swap", uuid: string, label?: string) => ({
    name,
    fs,
    uuid,
    offset: 0,
    bytes: 1,
    ...(label !== undefined && { label }),
  });
  const volumes = [
    volume("p1", "ext4", "u-1", "/boot"),
    volume("p2", "swap", "u-2"),
    volume("vg-a/root", "ext4", "u-3"),
    volume("p3", "ext4", "u-4"),
  ];

  it.each([["UUID=u-1"], ["LABEL=/boot"], ["/dev/xvda1"], ["/dev/sda1"], ["/dev/disk/by-uuid/u-1"]])(
    "are found by %s",
    (device) => {
      const [root] = [volumes[2] ?? expect.fail()];
      const fstab = `/dev/mapper/vg--a-root / ext4 defaults 1 1\n${device} /boot ext4 defaults 1 2 # x\n/dev/vda2 swap swap defaults 0 0\nnas:/x /mnt nfs defaults 0 0\n`;
      expect(mountsFromFstab(fstab, volumes, root).map(({ at, volume }) => [at, volume.name])).toEqual([
        ["/", "vg-a/root"],
        ["/boot", "p1"],
      ]);
    },
  );

  it.each(["/../../etc", "/boot/../../etc", "/./etc", "/boot//efi", "boot", "/"])(
    "leave out a place that is not inside the guest: %s",
    (place) => {
      const [root] = [volumes[2] ?? expect.fail()];
      expect(mountsFromFstab(`UUID=u-1 ${place} ext4 defaults 0 0\n`, volumes, root)).toEqual([
        { at: "/", volume: root },
      ]);
    },
  );

  it("are one for each place: the last, as mount has it", () => {
    const [root] = [volumes[2] ?? expect.fail()];
    const fstab = "UUID=u-1 /boot ext4 defaults 0 0\nUUID=u-4 /boot/ ext4 defaults 0 0\n";
    expect(mountsFromFstab(fstab, volumes, root).map(({ at, volume }) => [at, volume.name])).toEqual([
      ["/", "vg-a/root"],
      ["/boot", "p3"],
    ]);
  });

  it("name logical volumes both ways", () => {
    const [root] = [volumes[3] ?? expect.fail()];
    for (const device of ["/dev/mapper/vg--a-root", "/dev/vg-a/root"])
      expect(mountsFromFstab(`${device} /u01 ext4 defaults 0 0`, volumes, root)[1]?.volume.name).toBe(
        "vg-a/root",
      );
  });
});
