import type { Host, Output } from "../host/host.ts";
import type { Volume } from "./access.ts";

/** How a volume of a guest is mounted by a kernel that is not the guest's. */
export function mountOptions({ fs, subvolume }: Volume, readOnly: boolean): string {
  // nouuid: XFS refuses a second file system with the same id, and copies of one image are our daily bread.
  const own = fs === "xfs" ? ",nouuid" : "";
  const part = subvolume === undefined ? "" : `,subvol=${subvolume}`;
  const quiet = readOnly ? `,ro${withoutReplay[fs] ?? ""}` : "";
  return `nodev${own}${part}${quiet}`;
}

// `ro` alone still replays a journal, and fails where it cannot.
const withoutReplay: Readonly<Partial<Record<Volume["fs"], string>>> = {
  ext3: ",noload",
  ext4: ",noload",
  xfs: ",norecovery",
  btrfs: ",rescue=nologreplay",
};

/** Runs a program of the guest whose files are at `root`. The kernel's folders are there only meanwhile. */
export async function runInside(host: Host, root: string, argv: readonly string[]): Promise<Output> {
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
