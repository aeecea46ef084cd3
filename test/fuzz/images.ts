import { copyFile, mkdir, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { TbuildError } from "../../src/errors.ts";
import { pvCheck } from "../../src/guest/fitness/pv.ts";
import { inspectGuest } from "../../src/guest/inspect.ts";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { Survey } from "../../src/guest/survey.ts";
import { localHost } from "../../src/host/local.ts";
import { btrfsFilePlaces } from "../../src/image/btrfs/file-places.ts";
import { freeRunsOfBtrfs } from "../../src/image/btrfs/free-space.ts";
import { subvolumesOf } from "../../src/image/btrfs/subvolumes.ts";
import { namesFor, settle, undoLast, undoRecords } from "../../src/image/change/undo.ts";
import { layoutOf } from "../../src/image/disk/disk.ts";
import { fileSystemOf } from "../../src/image/disk/filesystem.ts";
import { openFat } from "../../src/image/fat/fat.ts";
import { readImageFile } from "../../src/image/file/image-file.ts";
import { imageFacts, openImageFile } from "../../src/image/open.ts";
import { xfsFilePlaces } from "../../src/image/xfs/file-places.ts";
import { freeRunsOfXfs } from "../../src/image/xfs/free-space.ts";
import { hasXfsLog } from "../../src/image/xfs/log.ts";
import { XfsSuperblock } from "../../src/image/xfs/superblock.ts";
import { bytesReader } from "../../src/io/reader.ts";
import { cleanGuest, dirt } from "../guest/dirty.ts";
import { extDisk, type GuestFiles } from "../guest-image.ts";
import { gpt, mbr, physicalVolume, segment, volumeGroup } from "../image/disk-tables.ts";
import { type Entrance, made } from "./entrance.ts";

const host = localHost();
const nobody = { by: () => [] };
const mib = 1048576;

const guest: GuestFiles = {
  files: {
    ...Object.assign({}, cleanGuest.files, ...Object.values(dirt).map(({ files }) => files)),
    "/boot/grub/grub.conf":
      "default=0\ntitle Linux\n root (hd0,0)\n kernel /boot/vmlinuz-1 root=/dev/xvda1\n initrd /boot/initramfs-1.img\n",
    "/boot/vmlinuz-1": "no kernel",
    "/boot/initramfs-1.img": "no initramfs",
    "/var/lib/large": "large ".repeat(20_000),
    ...Object.fromEntries(
      Array.from({ length: 120 }, (_, i) => [`/opt/folder/a-file-with-a-longer-name-${i}`, `${i}`]),
    ),
  },
  links: { "/etc/init.d": "rc.d/init.d", "/tmp/link": "/opt/folder", "/opt/long": "l/".repeat(100) },
};

const extKinds = {
  ext2: ["-t", "ext2", "-b", "1024"],
  "ext3 of OL5": ["-t", "ext3", "-I", "128", "-J", "size=1"],
  "ext4 of OL6": ["-t", "ext4", "-O", "^64bit,^metadata_csum", "-J", "size=1"],
  "ext4 with checksums": ["-t", "ext4", "-O", "64bit,metadata_csum", "-J", "size=1"],
} as const;

async function extImage(folder: string, options: readonly string[]): Promise<Buffer> {
  const image = join(folder, "ext.img");
  await extDisk(image, guest, { options, mebibytes: 6 });
  return readFile(image);
}

/** Reads everything that inspect, scan, seal --check and whois read. */
async function lookAt(file: string): Promise<void> {
  await imageFacts(file, nobody);
  await allOf(
    () => pvCheck(host, file),
    () =>
      checkImage(
        host,
        file,
        { operations: sealOperations(), search: { keep: [] }, swap: true, residue: true },
        { via: "direct" },
      ),
    async () => {
      await using image = await openImageFile(host, file, { readOnly: true, via: "direct", users: nobody });
      await inspectGuest(
        new Survey(
          image.tree,
          image.mounts.map(({ volume }) => volume),
        ),
      );
    },
  );
}

/** If one of these refuses an image with an error, the others still run. */
async function allOf(...looks: readonly (() => Promise<unknown>)[]): Promise<void> {
  const refused: unknown[] = [];
  for (const look of looks)
    await look().catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      refused.push(error);
    });
  if (refused.length > 0) throw refused[0];
}

/** Seals an image and undoes that, and checks that every byte is restored. */
async function changeAndUndo(file: string): Promise<void> {
  const before = await readFile(file);
  const job = { operations: sealOperations(), scrub: true, swap: true };
  await using planned = await planJob(host, file, job, { via: "direct", allowUnmounted: true }).catch(
    async (error) => {
      expect((await readFile(file)).equals(before), "a refused image is as it was").toBe(true);
      throw error;
    },
  );
  if (planned.pieces.length === 0) return;
  await planned.apply("fuzz");
  await undoLast(file);
  expect((await readFile(file)).equals(before), "undone, it is as it was").toBe(true);
}

async function asFile(input: Buffer, folder: string): Promise<string> {
  const file = join(folder, "disk.img");
  await writeFile(file, input);
  return file;
}

const extEntrances = Object.entries(extKinds).flatMap(([kind, options]): Entrance[] => [
  {
    name: `${kind}, read`,
    needs: ["mke2fs", "qemu-img"],
    tries: 3,
    inputs: async (folder) => [await extImage(folder, options)],
    enter: async (input, folder) => lookAt(await asFile(input, folder)),
  },
  {
    name: `${kind}, sealed and undone`,
    needs: ["mke2fs", "qemu-img"],
    tries: 2,
    inputs: async (folder) => [await extImage(folder, options)],
    enter: async (input, folder) => changeAndUndo(await asFile(input, folder)),
  },
]);

const formats: readonly (readonly [format: string, options: readonly string[]])[] = [
  ["qcow2", []],
  ["qcow2", ["-c"]],
  ["qcow2", ["-o", "compat=0.10"]],
  ["qcow2", ["-o", "extended_l2=on,cluster_size=131072"]],
  ["qcow2", ["-c", "-o", "compression_type=zstd"]],
  ["vmdk", []],
  ["vmdk", ["-o", "subformat=streamOptimized"]],
  ["vpc", ["-o", "subformat=fixed,force_size"]],
  ["vpc", ["-o", "subformat=dynamic"]],
  ["vdi", []],
  ["vhdx", []],
  ["parallels", []],
  ["qed", []],
];

async function converted(folder: string, wanted: (format: string) => boolean): Promise<Buffer[]> {
  const raw = join(folder, "raw.img");
  await writeFile(raw, await extImage(folder, extKinds["ext4 of OL6"]));
  const found: Buffer[] = [];
  for (const [index, [format, options]] of formats.entries()) {
    if (!wanted(format)) continue;
    const to = join(folder, `${index}`);
    made(["qemu-img", "convert", "-O", format, ...options, raw, to]);
    found.push(await readFile(to));
  }
  return found;
}

async function onVolume(
  folder: string,
  mebibytes: number,
  ...argvs: readonly (readonly string[])[]
): Promise<Buffer> {
  const file = join(folder, "volume");
  await (await open(file, "w")).close();
  await truncate(file, mebibytes * mib);
  for (const argv of argvs) made([...argv, file]);
  return readFile(file);
}

async function lookAtVolume(input: Buffer): Promise<void> {
  const reader = bytesReader(input);
  const { fs } = await fileSystemOf(reader);
  await layoutOf(reader);
  if (fs === "xfs") {
    await hasXfsLog(reader, new XfsSuperblock(input.subarray(0, 512)));
    await allOf(
      async () => {
        for await (const _ of freeRunsOfXfs(reader, "volume"));
      },
      () => xfsFilePlaces(reader, "volume", "/swap"),
    );
  }
  if (fs === "btrfs")
    await allOf(
      () => subvolumesOf(reader, "volume"),
      async () => {
        for await (const _ of freeRunsOfBtrfs(reader, "volume"));
      },
      () => btrfsFilePlaces(reader, "volume", "/swap", undefined),
    );
}

/** Image files and what is on disks. */
export const imageEntrances: readonly Entrance[] = [
  ...extEntrances,
  {
    name: "qcow2",
    needs: ["mke2fs", "qemu-img"],
    tries: 6,
    inputs: (folder) => converted(folder, (format) => format === "qcow2"),
    async enter(input, folder) {
      const file = await asFile(input, folder);
      await using image = await readImageFile(file);
      await layoutOf(image);
      for (let at = 0; at < image.bytes && at < 8 * mib; at += mib)
        await image.read(at, Math.min(mib, image.bytes - at));
      await lookAt(file);
    },
  },
  {
    name: "an image of any kind, imported",
    needs: ["mke2fs", "qemu-img"],
    tries: 5,
    inputs: (folder) => converted(folder, () => true),
    async enter(input, folder) {
      const file = await asFile(input, folder);
      await allOf(
        () => imageFacts(file, nobody),
        () => unpackTemplate(host, file, folder, { mostBytes: 64 * mib }),
      );
    },
  },
  {
    name: "partition tables",
    tries: 30,
    inputs: async () => [
      Buffer.concat([
        mbr([
          { type: 0x83, start: 2048, count: 2048 },
          { type: 0x05, start: 4096, count: 2048 },
        ]),
        Buffer.alloc(4 * mib - 512),
      ]),
      gpt([
        { first: 2048, last: 4095 },
        { first: 4096, last: 6143 },
      ]),
      gpt([{ first: 256, last: 511 }], 4 * mib, 4096),
    ],
    async enter(input) {
      await layoutOf(bytesReader(input));
    },
  },
  {
    name: "partition tables of sfdisk",
    needs: ["sfdisk"],
    tries: 10,
    async inputs(folder) {
      const disk = async (script: string) => {
        const file = join(folder, "table");
        await writeFile(file, Buffer.alloc(8 * mib));
        made(["sfdisk", "--quiet", file], script);
        return readFile(file);
      };
      return [
        await disk("label: dos\n2048,2048,83\n4096,8192,5\n4608,1024,83\n6144,1024,82\n"),
        await disk("label: gpt\n2048,2048\n4096,4096\n"),
      ];
    },
    enter: (input) => layoutOf(bytesReader(input)),
  },
  {
    name: "volume groups",
    tries: 30,
    inputs: async () => [
      physicalVolume(
        volumeGroup({
          root: segment(1, 0, 4),
          swap: `${segment(1, 4, 1)}\n${segment(2, 6, 2, "striped", 1, 1)}`,
        }),
      ),
    ],
    enter: lookAtVolume,
  },
  {
    name: "file systems that others read",
    needs: ["mkfs.xfs", "mkfs.btrfs", "mkswap"],
    tries: 10,
    async inputs(folder) {
      const [root, list] = [join(folder, "root"), join(folder, "list")];
      await mkdir(root);
      const swap = join(root, "swap");
      await writeFile(swap, Buffer.alloc(100_000, 7));
      await writeFile(list, `/\n0 0\nd--755 0 0\nswap ---600 0 0 ${swap}\n$\n`);
      const xfs = ["mkfs.xfs", "-q", "--unsupported", "-f", "-p", list];
      return [
        await onVolume(folder, 20, xfs),
        await onVolume(folder, 20, [...xfs, "-m", "crc=0"]),
        await onVolume(folder, 20, ["mkfs.btrfs", "-q", "--mixed", "-f", "--rootdir", root]),
        await onVolume(folder, 1, ["mkswap", "-L", "swap"]),
      ];
    },
    enter: lookAtVolume,
  },
  {
    name: "FAT",
    needs: ["mkfs.fat", "mcopy"],
    tries: 10,
    async inputs(folder) {
      const text = join(folder, "A long name.txt");
      await writeFile(text, "menu ".repeat(3000));
      const filled = async (mebibytes: number, bits: string) => {
        const fat = join(folder, `fat${bits}`);
        await copyFile(text, fat);
        await writeFile(fat, await onVolume(folder, mebibytes, ["mkfs.fat", "-F", bits]));
        made(["mmd", "-i", fat, "::EFI", "::EFI/a-folder"]);
        for (const to of ["::EFI/", "::EFI/a-folder/GRUB.CFG", "::"]) made(["mcopy", "-i", fat, text, to]);
        return readFile(fat);
      };
      return [await filled(1, "12"), await filled(9, "16"), await filled(34, "32")];
    },
    async enter(input) {
      const fat = await openFat(bytesReader(input));
      const walk = async (folder: string, depth: number): Promise<void> => {
        for (const name of (await fat.list(folder)).slice(0, 50)) {
          const path = `${folder}/${name}`;
          const found = await fat.stat(path);
          if (found?.kind === "dir" && depth < 10) await walk(path, depth + 1);
          else if (found?.kind === "file") await fat.readFile(path);
        }
      };
      await walk("", 0);
    },
  },
  {
    name: "LUKS and members",
    needs: ["cryptsetup"],
    tries: 5,
    async inputs(folder) {
      const key = join(folder, "key");
      await writeFile(key, "a key");
      const format = (type: string) =>
        onVolume(folder, 17, [
          "cryptsetup",
          "luksFormat",
          "--batch-mode",
          "--type",
          type,
          "--key-file",
          key,
          "--pbkdf",
          "pbkdf2",
          "--pbkdf-force-iterations",
          "1000",
        ]);
      return [await format("luks1"), await format("luks2")];
    },
    enter: lookAtVolume,
  },
  {
    name: "an undo record",
    needs: ["mke2fs", "qemu-img"],
    tries: 6,
    async inputs(folder) {
      const image = join(folder, "ext.img");
      await extDisk(image, guest, { options: extKinds["ext4 of OL6"], mebibytes: 6 });
      const before = await readFile(image);
      await using planned = await planJob(host, image, { operations: sealOperations() }, { via: "direct" });
      const record = await planned.apply("fuzz");
      recorded = { before, after: await readFile(image) };
      return [await readFile(record.file)];
    },
    async enter(input, folder) {
      for (const name of [namesFor("disk.img").undo(1), namesFor("disk.img").redo]) {
        const image = await asFile(recorded.after, folder);
        await writeFile(join(folder, name), input);
        await undoRecords(image);
        await settle(image);
        await undoLast(image).catch(async (error) => {
          const now = await readFile(image);
          expect(
            now.equals(recorded.after) || now.equals(recorded.before),
            "what is refused changes nothing",
          ).toBe(true);
          throw error;
        });
      }
    },
  },
];

let recorded = { before: Buffer.alloc(0), after: Buffer.alloc(0) };
