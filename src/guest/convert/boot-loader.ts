import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { installHint } from "../../host/programs.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import type { Mount, Volume } from "../../image/access.ts";
import type { Writable } from "../../image/change/draft.ts";
import { biosBoot, type NewPartition, newBiosBoot } from "../../image/disk/bios-boot.ts";
import type { Layout } from "../../image/disk/disk.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Reader } from "../../io/reader.ts";
import { writeFile } from "../../io/write-file.ts";
import { type Release, releases } from "../release.ts";
import { bootEntries, defaultEntry, type Entry, menuText } from "./pygrub-menu.ts";

/** GRUB for a disk that a BIOS will start, ready to be written before the first partition. */
export interface BootLoader {
  /** A description of the changes. */
  readonly done: readonly string[];
  write(disk: Writable): Promise<void>;
}

/** A disk, and the guest on it, with all its volumes. */
export interface BootDisk {
  readonly tree: GuestTree;
  readonly mounts: readonly Mount[];
  readonly disk: Reader;
  readonly layout: Layout;
  readonly release: Release;
}

/**
 * GRUB 2. grub-mkimage makes it from the guest's modules, or from Debian's if the guest has none. Its core goes behind the MBR,
 * or into the BIOS boot partition of a GPT. Its modules go into /boot. It reads the existing menu, including GRUB legacy's.
 * Only files are changed here; `write` does the rest.
 */
export async function makeBootLoader(host: Host, disk: BootDisk): Promise<BootLoader> {
  const { tree, layout } = disk;
  const place = placeOf(disk);
  await using work = await temporaryFolder("grub");
  const own = await ownModules(tree, work.path);
  const source = own ?? debianModules;
  const folder = await grubFolder(disk, own !== undefined);
  const core = join(work.path, "core.img");
  const modules = ["biosdisk", layout.table === "gpt" ? "part_gpt" : "part_msdos", place.module];
  const prefix = `(,${layout.table === "gpt" ? "gpt" : "msdos"}${place.partition})${place.path(folder)}`;
  await host.run([...["grub-mkimage", "-O", "i386-pc", "-d", source, "-p", prefix, "-o", core, ...modules]]);
  const [boot, image] = [await needed(source, "boot.img"), await readFile(core)];
  const room = await roomFor(disk, Math.ceil(image.length / 512));
  if (image.length > room.sectors * 512)
    throw new TbuildError(
      "guest",
      `GRUB's core has ${image.length} bytes, but there are only ${room.sectors * 512} before the first partition`,
      {
        subject: "disk",
        hint: "Copy the disk to one whose first partition starts at 1 MiB.",
      },
    );
  const done = await putModules(tree, source, folder);
  return {
    done: [
      ...done,
      ...(room.made ? [`disk: p${room.made.number}, a BIOS boot partition in a gap`] : []),
      `disk: GRUB's first sector, and its core from sector ${room.start} on`,
    ],
    async write(target) {
      for (const { offset, data } of room.made?.writes ?? []) await target.write(offset, data);
      await writeLoader(target, boot, image, room.start);
    },
  };
}

const debianModules = "/usr/lib/grub/i386-pc";

interface Place {
  readonly partition: string;
  readonly module: string;
  /** A path of the guest as GRUB sees it, relative to its volume. */
  path(inGuest: string): string;
}

function placeOf({ mounts }: BootDisk): Place {
  const boot = mounts.find(({ at }) => at === "/boot");
  const mount = boot ?? mounts.find(({ at }) => at === "/");
  const partition = /^p(\d+)$/.exec(mount?.volume.name ?? "")?.[1];
  const module = mount && fileSystemModules[mount.volume.fs];
  if (partition === undefined || module === undefined)
    throw new TbuildError(
      "guest",
      "GRUB cannot be installed on the disk: /boot is not in a partition that it can read",
      {
        subject: mount?.volume.name ?? "disk",
        hint: "Move /boot to a partition with ext3, ext4 or XFS.",
      },
    );
  return { partition, module, path: (inGuest) => (boot ? inGuest.replace(/^\/boot/, "") : inGuest) };
}

const fileSystemModules: Partial<Record<Volume["fs"], string>> = {
  ext2: "ext2",
  ext3: "ext2",
  ext4: "ext2",
  xfs: "xfs",
  btrfs: "btrfs",
};

interface Room {
  readonly start: number;
  readonly sectors: number;
  /** A new partition on the disk for it. */
  readonly made?: NewPartition;
}

async function roomFor({ disk, layout: { table, volumes } }: BootDisk, sectors: number): Promise<Room> {
  const first = Math.min(...volumes.filter(({ name }) => name !== "disk").map(({ offset }) => offset)) / 512;
  if (table === "mbr") return { start: 1, sectors: Math.floor(first) - 1 };
  const own = volumes.find(({ partType }) => partType === biosBoot);
  if (table === "gpt" && own) return { start: own.offset / 512, sectors: Math.floor(own.bytes / 512) };
  const made = table === "gpt" ? await newBiosBoot(disk, sectors) : undefined;
  if (made) return { start: made.start, sectors: made.sectors, made };
  throw new TbuildError(
    "guest",
    table === "gpt"
      ? `has a GPT without a BIOS boot partition for GRUB, and no gap of ${sectors} sectors for one`
      : "has no partition table for GRUB",
    {
      subject: "disk",
      hint:
        table === "gpt"
          ? "Make room for one, or give the machine UEFI firmware and the guest a boot loader for it."
          : "Let tbuild copy it into a disk that has one: tbuild convert --out NEW.img.",
    },
  );
}

const parts = ["boot.img", "diskboot.img", "kernel.img", "lzma_decompress.img", "moddep.lst"];

/** The guest's own modules of GRUB 2, copied into `work`; `undefined` if it has none. */
async function ownModules(tree: GuestTree, work: string): Promise<string | undefined> {
  const folder = "/usr/lib/grub/i386-pc";
  for (const name of [...parts, "normal.mod"])
    if ((await tree.stat(`${folder}/${name}`))?.kind !== "file") return undefined;
  const to = join(work, "i386-pc");
  await mkdir(to);
  for (const name of await tree.list(folder)) {
    const data = /\.(?:mod|img|lst)$/.test(name) ? await tree.read(`${folder}/${name}`) : undefined;
    if (data) await writeFile(join(to, name), data);
  }
  return to;
}

/** GRUB's folder: the guest's own if the modules belong to it. Otherwise ours beside it, with a menu that loads the guest's. */
async function grubFolder({ tree, release }: BootDisk, isOwn: boolean): Promise<string> {
  const isLegacy = releases[release.major].grub === "legacy";
  if (!isLegacy && isOwn && (await tree.stat("/boot/grub2/grub.cfg"))) return "/boot/grub2";
  const folder = isLegacy ? "/boot/grub/tbuild" : "/boot/grub2/tbuild";
  const menu = isLegacy ? legacyMenu : await copiedMenu(tree);
  await tree.write(`${folder}/grub.cfg`, menu);
  return folder;
}

// GRUB 2 reads GRUB legacy's menu, so entries that kernel updates write there take effect.
const legacyMenu = `# Made by tbuild: GRUB 2 starts this disk, and boots what the menu of GRUB legacy says.
for place in /boot/grub /grub; do
  if [ -f ($root)$place/grub.conf ]; then
    legacy_source ($root)$place/grub.conf
  fi
done
`;

// Debian's GRUB knows no loader entries.
async function copiedMenu(tree: GuestTree): Promise<string> {
  const entries = await bootEntries(tree);
  const index = Math.max(0, entries.indexOf((await defaultEntry(tree, entries)) as Entry));
  return menuText("# Made by tbuild from the boot entries of this guest.", entries, index);
}

async function needed(source: string, name: string): Promise<Buffer> {
  return readFile(join(source, name)).catch((cause) => {
    throw new TbuildError("environment", `${source}/${name}: does not exist`, {
      hint: installHint(`${debianModules}/boot.img`),
      cause,
    });
  });
}

// The modules that menus use. Not every GRUB has blscfg.
const wantedModules = [
  ...["normal", "linux", "linux16", "legacycfg", "configfile", "blscfg", "chain", "gzio", "loadenv"],
  ...[
    "search",
    "search_fs_uuid",
    "search_fs_file",
    "search_label",
    "test",
    "true",
    "regexp",
    "eval",
    "increment",
  ],
  ...["echo", "cat", "ls", "minicmd", "serial", "terminal", "sleep", "version", "halt", "reboot"],
  ...["all_video", "video", "vga", "vbe", "gfxterm", "part_msdos", "part_gpt", "ext2", "xfs", "btrfs", "lvm"],
];

async function putModules(tree: GuestTree, source: string, folder: string): Promise<string[]> {
  const to = `${folder}/i386-pc`;
  const needs = new Map(
    (await needed(source, "moddep.lst"))
      .toString("utf8")
      .split("\n")
      .map((line) => line.split(":"))
      .map(([name = "", words = ""]) => [name, words.split(" ").filter((word) => word !== "")]),
  );
  const modules = new Set<string>();
  const add = (name: string) => {
    if (modules.has(name) || !needs.has(name)) return;
    modules.add(name);
    for (const other of needs.get(name) ?? []) add(other);
  };
  for (const name of wantedModules) add(name);
  const files = (await readdir(source)).filter(
    (name) => name.endsWith(".lst") || (name.endsWith(".mod") && modules.has(name.slice(0, -".mod".length))),
  );
  let put = 0;
  for (const name of files.sort()) {
    if ((await tree.stat(`${to}/${name}`)) !== undefined) continue;
    await tree.write(`${to}/${name}`, await needed(source, name));
    put++;
  }
  return put > 0 ? [`${to}: ${put} modules of GRUB`] : [];
}

// grub-core/boot/i386/pc/boot.S and diskboot.S: the first sector names that of the core, and the core its second one; the first
// 440 bytes are code, what follows is the disk's own.
async function writeLoader(disk: Writable, boot: Buffer, core: Buffer, start: number): Promise<void> {
  const sector = Buffer.from(await disk.read(0, 512));
  boot.copy(sector, 0, 0, 440);
  sector.writeBigUInt64LE(BigInt(start), 0x5c);
  // Some BIOSes pass the wrong drive number. grub-install works around it on hard disks, and so does this.
  sector.writeUInt16LE(0x9090, 0x66);
  sector.writeUInt16LE(0xaa55, 510);
  const image = Buffer.from(core);
  image.writeBigUInt64LE(BigInt(start + 1), 512 - 12);
  await disk.write(0, sector);
  await disk.write(start * 512, image);
}
