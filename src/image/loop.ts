import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ImageAccess, Volume } from "./access.ts";
import { mountedTree } from "./mounted-tree.ts";

/** Loop devices and the kernel's own file systems. Needs root; programs of the guest run by chroot. */
export function loopAccess(host: Host): ImageAccess {
  return {
    name: "loop",
    runsPrograms: true,
    filesystems: ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"],
    async check() {
      const { stdout } = await host.run(["id", "-u"]);
      if (stdout.trim() !== "0")
        throw new TbuildError("environment", "loop: only root can mount an image", {
          hint: "Run tbuild as root, or use the access `debugfs`.",
        });
      await host.run(["losetup", "--find"]);
    },
    async open(image, mounts, { readOnly = false } = {}) {
      const root = await mkdtemp(join(tmpdir(), "tbuild-loop-"));
      const mounted: string[] = [];
      const close = async () => {
        for (const at of mounted.splice(0).reverse()) await host.run(["umount", at]);
        await rmdir(root);
      };
      try {
        for (const mount of [...mounts].sort((a, b) => a.at.length - b.at.length)) {
          const at = join(root, mount.at);
          await host.run(["mount", "-o", loopOptions(mount.volume, readOnly), "--", image, at]);
          mounted.push(at);
        }
        return mountedTree(host, root, {
          close,
          run: (argv) => runInside(host, root, argv),
        });
      } catch (error) {
        await close();
        throw error;
      }
    },
  };
}

function loopOptions(volume: Volume, readOnly: boolean): string {
  return `loop,offset=${volume.offset},sizelimit=${volume.bytes},${mountOptions(volume, readOnly)}`;
}

/** How a volume of a guest is mounted by a kernel that is not the guest's. */
export function mountOptions({ fs }: Volume, readOnly: boolean): string {
  // nouuid: XFS refuses a second file system with the same id, and copies of one image are our daily bread.
  const own = fs === "xfs" ? ",nouuid" : "";
  const quiet = readOnly ? `,ro${withoutReplay[fs] ?? ""}` : "";
  return `nodev${own}${quiet}`;
}

// `ro` alone still replays a journal, and fails where it cannot.
const withoutReplay: Readonly<Partial<Record<Volume["fs"], string>>> = {
  ext3: ",noload",
  ext4: ",noload",
  xfs: ",norecovery",
  btrfs: ",rescue=nologreplay",
};

/** Runs a program of the guest whose files are at `root`. The kernel's folders are there only meanwhile. */
export async function runInside(host: Host, root: string, argv: readonly string[]) {
  const bound: string[] = [];
  try {
    for (const folder of ["/dev", "/proc", "/sys"]) {
      await host.run(["mount", "--bind", folder, `${root}${folder}`]);
      bound.push(`${root}${folder}`);
    }
    return await host.run(["chroot", root, ...argv], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
  } finally {
    for (const folder of bound.reverse()) await host.run(["umount", folder]);
  }
}
