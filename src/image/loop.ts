import { TbuildError } from "../errors.ts";
import { hold } from "../host/hold.ts";
import type { Host } from "../host/host.ts";
import type { ImageAccess, Volume } from "./access.ts";
import { mountedTree } from "./mounted-tree.ts";
import { mountOptions, mountScript, runInside } from "./mounting.ts";

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
      const inOrder = [...mounts].sort((one, other) => one.at.length - other.at.length);
      const held = await hold(host, `${image}: loop`, script, [
        image,
        ...inOrder.flatMap(({ at, volume }) => [
          ...[volume.name, volume.fs, loopOptions(volume, readOnly), at === "/" ? "" : at],
        ]),
      ]);
      return mountedTree(host, held.said, {
        close: async () => held[Symbol.asyncDispose](),
        run: (argv) => runInside(host, held.said, argv),
      });
    },
  };
}

const script = `
device=$1
shift
open_device() { :; }
close_device() { :; }
${mountScript}
guest_mounted "$@"`;

// Root in a container often may not: what counts is CAP_SYS_ADMIN, bit 21.
async function mayMount(host: Host): Promise<boolean> {
  const { stdout } = await host.run(["cat", "/proc/self/status"]);
  const held = BigInt(`0x${/^CapEff:\s*([\da-f]+)$/m.exec(stdout)?.[1] ?? "0"}`);
  return (held & (1n << 21n)) !== 0n;
}

function loopOptions(volume: Volume, readOnly: boolean): string {
  return `loop,offset=${volume.offset},sizelimit=${volume.bytes},${mountOptions(volume, readOnly)}`;
}
