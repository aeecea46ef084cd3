import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localHost } from "../../src/host/local.ts";
import type { ImageAccess, Mount } from "../../src/image/access.ts";
import { emptyDisk } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";
import { fixture } from "./guest-tree.ts";

const host = localHost();

/**
 * The guest of the contract in a file system of 320 MiB, the least that XFS takes. It is a partition, or lies in two
 * halves, at the places in MiB that `halves` says. Made below `parent`; `settle` is waited for before it is checked.
 */
export async function onVolume(
  access: ImageAccess,
  fs: "ext4" | "xfs" | "btrfs",
  {
    halves,
    parent = tmpdir(),
    settle = async () => {},
  }: { halves?: [number, number]; parent?: string; settle?: () => Promise<unknown> } = {},
) {
  const folder = await mkdtemp(join(parent, "tbuild-volume-"));
  const [image, inside] = [join(folder, "disk.img"), join(folder, "inside")];
  const mib = 1048576;
  await host.run(["truncate", "-s", "320M", inside]);
  await host.run([`mkfs.${fs}`, "-q", inside]);
  await makeFolder(join(folder, "files"));
  await mkdir(join(folder, "at"));
  await host.run(["mount", "-o", "loop", inside, join(folder, "at")]);
  await host.run(["cp", "-a", `${folder}/files/.`, join(folder, "at")]);
  await unmountImage(join(folder, "at"));
  const places = halves ? [halves[0] * mib, halves[1] * mib] : [mib];
  const bytes = (320 / places.length) * mib;
  await emptyDisk(image, 400);
  const copy = (from: string, to: string, skip: number, seek: number) =>
    host.run([
      ...["dd", `if=${from}`, `of=${to}`, "bs=1M", "conv=notrunc,sparse", "status=none"],
      ...[`skip=${skip / mib}`, `seek=${seek / mib}`, `count=${bytes / mib}`],
    ]);
  for (const [index, place] of places.entries()) await copy(inside, image, index * bytes, place);
  const volume = { name: halves ? "vg/root" : "p1", offset: places[0] ?? 0, bytes: 320 * mib, fs };
  const pieces = places.map((offset) => ({ offset, bytes }));
  const mounts: Mount[] = [{ at: "/", volume: { ...volume, ...(halves && { pieces }) } }];
  return {
    image,
    mounts,
    open: () => access.open(image, mounts),
    async after() {
      await settle();
      const after = join(folder, "after");
      await host.run(["truncate", "-s", "320M", after]);
      for (const [index, place] of places.entries()) await copy(image, after, place, index * bytes);
      const check = { ext4: ["e2fsck", "-fn"], xfs: ["xfs_repair", "-n"], btrfs: ["btrfs", "check", "-q"] }[
        fs
      ];
      await host.run([...check, after]);
      await rm(folder, { recursive: true });
    },
  };
}

/** The guest of the contract as a folder of this machine. */
export async function makeFolder(root: string): Promise<void> {
  for (const [path, { data, mode, uid, gid }] of Object.entries(fixture.files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), data);
    await chown(join(root, path), uid, gid);
    await chmod(join(root, path), mode);
  }
  for (const [path, target] of Object.entries(fixture.links)) await symlink(target, join(root, path));
}
