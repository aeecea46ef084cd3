import { chmod, chown, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localHost } from "../src/host/local.ts";
import { mbr } from "./image/disk-tables.ts";
import { unmountImage } from "./unmount-image.ts";

const host = localHost();
const mib = 1048576;

export interface GuestFiles {
  readonly files: Readonly<
    Record<string, string | { readonly data: string | Uint8Array; mode?: number; uid?: number; gid?: number }>
  >;
  readonly links?: Readonly<Record<string, string>>;
}

/** A folder with the files of a guest, to make a file system from. */
export async function guestFolder({ files, links = {} }: GuestFiles): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "tbuild-guest-"));
  for (const [path, file] of Object.entries(files)) {
    const { data, mode = 0o644, uid = 0, gid = 0 } = typeof file === "string" ? { data: file } : file;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), data);
    if (process.getuid?.() === 0) await chown(join(root, path), uid, gid);
    await chmod(join(root, path), mode);
  }
  for (const [path, target] of Object.entries(links)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await symlink(target, join(root, path));
  }
  await chmod(root, 0o755);
  return root;
}

/** A raw disk of `mebibytes` with an MBR and one partition from 1 MiB on, an ext file system with `guest` in it. */
export async function extDisk(
  image: string,
  guest: GuestFiles,
  { options = ["-t", "ext4"], mebibytes = 40 }: { options?: readonly string[]; mebibytes?: number } = {},
): Promise<void> {
  const root = await guestFolder(guest);
  await emptyDisk(image, mebibytes);
  await host.run([
    ...["mke2fs", "-q", "-F", ...options, "-E", `offset=${mib}`, "-d", root, image, `${mebibytes - 1}M`],
  ]);
  await rm(root, { recursive: true });
}

/** The same with XFS, which needs root and 320 MiB. */
export async function xfsDisk(image: string, guest: GuestFiles): Promise<void> {
  const [root, inside, at] = [await guestFolder(guest), `${image}.inside`, `${image}.at`];
  await host.run(["truncate", "-s", "320M", inside]);
  await host.run(["mkfs.xfs", "-q", inside]);
  await mkdir(at);
  await host.run(["mount", "-o", "loop", inside, at]);
  await host.run(["cp", "-a", `${root}/.`, at]);
  await unmountImage(at);
  await emptyDisk(image, 321);
  await putIntoPartition(image, inside);
  for (const path of [root, inside, at]) await rm(path, { recursive: true });
}

/** Writes a volume to where the first partition of a disk begins, at 1 MiB. */
export async function putIntoPartition(image: string, volume: string): Promise<void> {
  await host.run([
    "dd",
    `if=${volume}`,
    `of=${image}`,
    "bs=1M",
    "seek=1",
    "conv=notrunc,sparse",
    "status=none",
  ]);
}

/** Adds a second partition with a swap area to an `extDisk`, from byte `at` on, which is where the first one ends. */
export async function addSwap(
  image: string,
  { at, bytes, options = [] }: { at: number; bytes: number; options?: readonly string[] },
): Promise<void> {
  const area = `${image}.area`;
  await host.run(["truncate", "-s", String(bytes), area]);
  await host.run(["mkswap", "-q", ...options, area]);
  await using disk = await open(image, "r+");
  await disk.truncate(at + bytes);
  const entries = [
    { type: 0x83, start: 2048, count: at / 512 - 2048 },
    { type: 0x82, start: at / 512, count: bytes / 512 },
  ];
  await disk.write(mbr(entries), 0);
  await disk.write(await readFile(area), 0, bytes, at);
  await rm(area);
}

/** A raw disk with an MBR and one partition from 1 MiB on. */
export async function emptyDisk(image: string, mebibytes: number): Promise<void> {
  await using disk = await open(image, "w");
  await disk.truncate(mebibytes * mib);
  await disk.write(mbr([{ type: 0x83, start: 2048, count: (mebibytes - 1) * 2048 }]), 0);
}

/** A minimal Oracle Linux 6 guest with additions. */
export const ol6Guest: GuestFiles = {
  files: {
    "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
    "/etc/fstab": "/dev/sda1 / ext4 defaults 1 1\n",
    "/etc/sysconfig/ovmd": "INITIAL_CONFIG=no\n",
    "/etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=master1\n",
    "/etc/rc.d/init.d/ovmd": { data: "#!/bin/sh\n# chkconfig: 3 08 92\n", mode: 0o755 },
  },
  links: { "/etc/init.d": "rc.d/init.d", "/etc/rc.d/rc3.d/S08ovmd": "../init.d/ovmd" },
};
