import type { GuestMode } from "../../choices.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Release } from "../release.ts";

export interface Kernel {
  readonly version: string;
  readonly initramfs: string;
}

/** The kernels in /boot, with the path of their initramfs, which may be missing. */
export async function kernelsOf(tree: GuestTree): Promise<Kernel[]> {
  const kernels: Kernel[] = [];
  for (const path of await tree.glob("/boot/vmlinuz-*")) {
    const version = path.slice("/boot/vmlinuz-".length);
    if (version.includes("rescue") || version.endsWith("kdump")) continue;
    const names = [
      `/boot/initramfs-${version}.img`,
      `/boot/initrd-${version}.img`,
      `/boot/initrd.img-${version}`,
    ];
    const there: string[] = [];
    for (const name of names) if (await tree.stat(name)) there.push(name);
    kernels.push({ version, initramfs: there[0] ?? names[0] ?? "" });
  }
  return kernels;
}

/**
 * Whether a kernel of this release can run in a mode, by its name. Release 5 has three kinds: kernel-xen runs only as a
 * paravirtual guest, the plain kernel only under a firmware, and Oracle's UEK as both. Since release 6, all kernels run as both.
 */
export function mayRun(version: string, release: Release, mode: GuestMode): boolean {
  if (/xen$/i.test(version)) return mode === "pvm";
  return mode !== "pvm" || release.major > 5 || /uek/i.test(version);
}

/** This kernel's name for the console of a paravirtual machine. */
export function xenConsoleOf(version: string): "xvc0" | "hvc0" {
  return /xen$/i.test(version) ? "xvc0" : "hvc0";
}
