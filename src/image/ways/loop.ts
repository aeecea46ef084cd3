import { TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import type { ImageAccess, Volume } from "../access.ts";
import { byDepth, heldTree, kernelFileSystems, mountOptions, mountScript } from "./mounting.ts";

/** Loop devices and the kernel's file systems. Needs root. */
export function loopAccess(host: Host): ImageAccess {
  return {
    name: "loop",
    filesystems: kernelFileSystems,
    async check() {
      if (!(await mayMount(host)))
        throw new TbuildError("environment", "only root can mount an image", {
          subject: "loop",
          hint: "Run tbuild as root, or use the access `debugfs`.",
        });
      await host.run(["losetup", "--find"]);
    },
    async open(image, mounts, { readOnly = false, watch } = {}) {
      const places = byDepth(mounts).flatMap(({ at, volume }) => [
        ...[volume.name, volume.fs, loopOptions(volume, readOnly), at === "/" ? "" : at],
      ]);
      return heldTree(host, `${image}: loop`, script, [image, ...places], watch);
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

// Root in a container often may not. The required capability is CAP_SYS_ADMIN, bit 21.
async function mayMount(host: Runner): Promise<boolean> {
  const { stdout } = await host.run(["cat", "/proc/self/status"]);
  const held = BigInt(`0x${/^CapEff:\s*([\da-f]+)$/m.exec(stdout)?.[1] ?? "0"}`);
  return (held & (1n << 21n)) !== 0n;
}

function loopOptions(volume: Volume, readOnly: boolean): string {
  return `loop,offset=${volume.offset},sizelimit=${volume.bytes},${mountOptions(volume, readOnly)}`;
}
