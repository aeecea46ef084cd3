import { mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ImageAccess, Volume } from "./access.ts";
import { mountedTree } from "./mounted-tree.ts";
import { mountOptions, runInside } from "./mounting.ts";

/** Loop devices and the kernel's own file systems. Needs root; programs of the guest run by chroot. */
export function loopAccess(host: Host): ImageAccess {
  return {
    name: "loop",
    runsPrograms: true,
    filesystems: ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"],
    async check() {
      if (!(await mayMount(host)))
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

// Root in a container often may not: what counts is CAP_SYS_ADMIN, bit 21.
async function mayMount(host: Host): Promise<boolean> {
  const { stdout } = await host.run(["cat", "/proc/self/status"]);
  const held = BigInt(`0x${/^CapEff:\s*([\da-f]+)$/m.exec(stdout)?.[1] ?? "0"}`);
  return (held & (1n << 21n)) !== 0n;
}

function loopOptions(volume: Volume, readOnly: boolean): string {
  return `loop,offset=${volume.offset},sizelimit=${volume.bytes},${mountOptions(volume, readOnly)}`;
}
