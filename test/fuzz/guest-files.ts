import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { initramfsPaths } from "../../src/guest/convert/initramfs.ts";
import { kernelFacts } from "../../src/guest/fitness/kernel-notes.ts";
import { extlinuxMenu, grub2Menu, legacyMenu, MenuFault } from "../../src/guest/fitness/menus.ts";
import { inspectGuest } from "../../src/guest/inspect.ts";
import { findLeftovers, readTraits } from "../../src/guest/leftovers/index.ts";
import { searchInside } from "../../src/guest/leftovers/packed.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { readRpmDatabase } from "../../src/guest/rpm/database.ts";
import { readPackageFiles } from "../../src/guest/rpm/files.ts";
import { sqliteBlobs } from "../../src/guest/rpm/sqlite.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { Survey } from "../../src/guest/survey.ts";
import { fstabEntries, mountUnitEntry } from "../../src/image/disk/fstab.ts";
import { newcCpio } from "../../src/media/initrd.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { cleanGuest, dirt } from "../guest/dirty.ts";
import { type Entrance, made } from "./entrance.ts";

const archive = Buffer.from(
  newcCpio([
    { path: "init", data: Buffer.from("#!/bin/sh\n"), mode: 0o755 },
    { path: "lib/modules/1/xen-blkfront.ko", data: Buffer.alloc(3000, "ko") },
  ]),
);

const packers: readonly (readonly string[])[] = [
  ["gzip", "-c"],
  ["bzip2", "-c"],
  ["xz", "-c", "--check=crc32"],
  ["xz", "-c", "--format=lzma"],
  ["lzop", "-c"],
  ["lz4", "-c", "-l"],
  ["lz4", "-c"],
  ["zstd", "-c", "-q"],
];

const dirtyFiles: Readonly<Record<string, unknown>> = Object.assign(
  {},
  cleanGuest.files,
  ...Object.values(dirt).map(({ files }) => files),
);

/** The files that operations read and change, each damaged in its place. */
function dirtyGuest(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(dirtyFiles).map(([path, file]) => {
      const data = typeof file === "string" ? file : (file as { data: string | Uint8Array }).data;
      return [path, typeof data === "string" ? data : Buffer.from(data).toString("latin1")];
    }),
  );
}

const between = "\n==== ";

/** Files of a guest. */
export const guestEntrances: readonly Entrance[] = [
  {
    name: "an initramfs",
    needs: ["bzip2", "xz", "lzop", "lz4", "zstd"],
    tries: 40,
    inputs: async () => [
      archive,
      Buffer.concat([archive, gzipSync(archive), Buffer.alloc(8), gzipSync(archive)]),
      ...packers.map((argv) =>
        Buffer.concat([archive, made(argv, archive), Buffer.alloc(4), made(argv, archive)]),
      ),
    ],
    enter: (input) => initramfsPaths(input, 64 << 20),
  },
  {
    name: "archives in a guest",
    needs: ["tar", "ar", "cpio", "rpmbuild"],
    tries: 60,
    async inputs(folder) {
      const [inner, spec] = [join(folder, "inner"), join(folder, "x.spec")];
      await writeFile(inner, "password = x\n".repeat(40));
      await writeFile(
        spec,
        `Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\nBuildArch: noarch\n%description\nx\n%install\ninstall -D ${inner} %{buildroot}/etc/x\n%files\n/etc/x\n`,
      );
      made(["rpmbuild", "-bb", "--quiet", "--define", `_topdir ${folder}/rpm`, spec]);
      made(["ar", "qcS", join(folder, "x.a"), inner]);
      const tar = made(["tar", "-C", folder, "-cf", "-", "inner", "x.a"]);
      const cpio = (form: string) => made(["cpio", "-o", "--quiet", "-H", form], `${inner}\n`);
      return [
        tar,
        gzipSync(tar),
        await readFile(join(folder, "x.a")),
        await readFile(join(folder, "rpm/RPMS/noarch/x-1-1.noarch.rpm")),
        ...["newc", "odc", "bin"].map(cpio),
      ];
    },
    enter: (input) =>
      searchInside("/srv/a", input, ({ data }) => data.toString("latin1").match(/secret/)?.[0]),
  },
  {
    name: "a kernel",
    needs: ["bzip2", "xz", "lzop", "lz4", "zstd"],
    tries: 60,
    async inputs() {
      const elf = Buffer.alloc(4096);
      elf.write("\x7fELF\x02\x01\x01", "latin1");
      elf.writeBigUInt64LE(64n, 32);
      elf.writeUInt16LE(56, 54);
      elf.writeUInt16LE(1, 56);
      elf.writeUInt32LE(4, 64);
      elf.writeBigUInt64LE(1024n, 72);
      elf.writeBigUInt64LE(64n, 96);
      elf.writeUInt32LE(4, 1024);
      elf.writeUInt32LE(8, 1028);
      elf.writeUInt32LE(1, 1032);
      elf.write("Xen\0", 1036);
      const payload = gzipSync(elf);
      const head = Buffer.alloc(1024);
      head.writeUInt8(1, 0x1f1);
      head.write("HdrS", 0x202);
      head.writeUInt16LE(0x20c, 0x206);
      const packed = [payload, ...packers.slice(1).map((argv) => made(argv, elf))];
      const images = packed.map((one) => {
        const image = Buffer.concat([head, one]);
        image.writeUInt32LE(one.length, 0x24c);
        return image;
      });
      return [elf, payload, ...images];
    },
    enter: kernelFacts,
  },
  {
    name: "rpm's database",
    needs: ["rpm", "rpmbuild", "db5.3_load"],
    tries: 40,
    async inputs(folder) {
      const spec = (name: string, lines: string) =>
        `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\nBuildArch: noarch\n%description\n${lines.repeat(300)}\n%install\nmkdir -p %{buildroot}/etc/${name}; for i in $(seq 90); do echo $i > %{buildroot}/etc/${name}/a-file-$i; done\n%files\n/etc/${name}\n`;
      const packages: string[] = [];
      for (const name of ["one", "two", "three"]) {
        await writeFile(join(folder, `${name}.spec`), spec(name, "A description. "));
        made([
          "rpmbuild",
          "-bb",
          "--quiet",
          "--define",
          `_topdir ${folder}/rpm`,
          join(folder, `${name}.spec`),
        ]);
        packages.push(join(folder, `rpm/RPMS/noarch/${name}-1-1.noarch.rpm`));
      }
      made(["rpm", "--dbpath", join(folder, "db"), "--justdb", "--nodeps", "-i", ...packages]);
      const sqlite = await readFile(join(folder, "db/rpmdb.sqlite"));
      const hex = (data: Buffer) => ` ${data.toString("hex")}\n`;
      const key = (number: number) => {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32LE(number);
        return bytes;
      };
      const blobs = sqliteBlobs(sqlite, undefined, "Packages");
      const lines = blobs.map((blob, index) => hex(key(index + 1)) + hex(blob)).join("");
      const berkeley = join(folder, "Packages");
      made(
        ["db5.3_load", "-t", "hash", berkeley],
        `VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n${hex(key(0))}${hex(key(3))}${lines}DATA=END\n`,
      );
      return [sqlite, await readFile(berkeley)];
    },
    async enter(input) {
      const isSqlite = input.toString("latin1", 0, 6) === "SQLite";
      const tree = memoryTree({ [`/var/lib/rpm/${isSqlite ? "rpmdb.sqlite" : "Packages"}`]: input });
      await readRpmDatabase(tree);
      await readPackageFiles(tree);
    },
  },
  {
    name: "boot menus",
    tries: 60,
    inputs: async () => [
      "default=0\ntimeout=5\nsplashimage=(hd0,0)/grub/splash.xpm.gz\ntitle Oracle Linux (2.6)\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6 ro root=/dev/xvda1\n\tinitrd /initramfs-2.6.img\n",
      'set default="0"\nif [ "x$feature" = xy ]; then\n set timeout=5\nfi\nmenuentry \'Oracle Linux\' --class gnu $menuentry_id_option \'x\' {\n\tset root=\'hd0,msdos1\'\n\tlinux16 /vmlinuz-4 root=UUID=1 ro\n\tinitrd16 /initramfs-4.img\n}\nsubmenu "More" {\n menuentry "x" { linux /a }\n}\n',
      "default linux\nlabel linux\n  menu label Linux\n  kernel /vmlinuz\n  append initrd=/initrd.img root=/dev/xvda1\n",
    ],
    async enter(input) {
      for (const read of [legacyMenu, grub2Menu, extlinuxMenu])
        try {
          read(input.toString());
        } catch (error) {
          // What pygrub refuses is an answer, too.
          if (!(error instanceof MenuFault)) throw error;
        }
    },
  },
  {
    name: "fstab and mount units",
    tries: 60,
    inputs: async () => [
      "# comment\nUUID=1234 / ext4 defaults 1 1\nLABEL='boot' /boot ext3 noatime 1 2\n/dev/mapper/vg-lv\\040x /var\\134y xfs defaults 0 0\n//server/share /mnt cifs _netdev 0 0\n",
      "[Unit]\nDescription=x\n[Mount]\nWhat=/dev/disk/by-uuid/1234\nWhere=/var/lib/x\nType=xfs\nOptions=\\\n  noatime\n",
    ],
    async enter(input) {
      fstabEntries(input.toString());
      mountUnitEntry(input.toString(), "/etc/systemd/system/x.mount");
    },
  },
  {
    name: "the files of a guest, surveyed and sealed",
    tries: 10,
    inputs: async () => [
      Object.entries(dirtyGuest())
        .map(([path, text]) => `${path}\n${text}`)
        .join(between),
    ],
    async enter(input) {
      const files: Record<string, Buffer> = {};
      for (const part of input.toString("latin1").split(between)) {
        const end = part.indexOf("\n");
        const path = part.slice(0, end);
        if (path in dirtyFiles) files[path] = Buffer.from(part.slice(end + 1), "latin1");
      }
      const tree = memoryTree(files);
      const traits = await readTraits(tree);
      await inspectGuest(new Survey(tree));
      await applyAll(tree, sealOperations());
      await auditAll(tree, sealOperations());
      await findLeftovers(tree, { traits, pending: [], keep: [] });
    },
  },
];
