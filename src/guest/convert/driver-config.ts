import type { GuestMode } from "../../choices.ts";
import type { Operation } from "../operation.ts";
import { type Release, releases } from "../release.ts";
import { editsAll } from "./edit.ts";

/** Makes kernel updates put the drivers into their initramfs too. For dracut, and for release 5's mkinitrd. */
export function driverConfig(mode: GuestMode, release: Release): Operation {
  if (releases[release.major].initrd === "dracut")
    return editsAll({
      name: "driver-config",
      summary: "Tell dracut to include the drivers in the initramfs of future kernels",
      changes: [],
      files: async () => [{ path: dracutFile, text: dracutText }],
    });
  return editsAll({
    name: "driver-config",
    summary: "List the drivers in /etc/modprobe.conf, where mkinitrd finds them",
    changes: [{ path: "/etc/modprobe.conf", change: (text) => withAliases(text, aliasesOf[mode]) }],
  });
}

export const dracutFile = "/etc/dracut.conf.d/tbuild-xen.conf";
// The drivers for every machine: the image must still boot where it was made.
export const dracutText =
  'add_drivers+=" xen-blkfront xen-netfront virtio_blk virtio_net virtio_pci virtio_scsi sd_mod ata_piix "\n';

// mkinitrd puts every scsi_hostadapter into the initrd. kernel-xen of release 5 has xenblk and xennet.
const aliasesOf: Readonly<
  Record<GuestMode, { readonly disk: readonly string[]; readonly net: string | undefined }>
> = {
  pvm: { disk: ["xenblk"], net: "xennet" },
  pvhvm: { disk: ["xen-vbd"], net: "xen-vnif" },
  hvm: { disk: ["ata_piix"], net: undefined },
  kvm: { disk: ["virtio_pci", "virtio_blk"], net: "virtio_net" },
};

const xenOnly =
  /^alias[ \t]+(?:eth\d+[ \t]+(?:xennet|xen-vnif)|scsi_hostadapter\w*[ \t]+(?:xenblk|xen-vbd))[ \t]*$/;

function withAliases(text: string, { disk, net }: (typeof aliasesOf)[GuestMode]): string {
  const isKept = (line: string) =>
    !xenOnly.test(line) || [...disk, net].some((name) => name !== undefined && line.trim().endsWith(name));
  // udev finds another machine's network card, unless an alias names a driver.
  const lines = text
    .split("\n")
    .filter((line) => isKept(line) || (net !== undefined && line.startsWith("alias eth")))
    .map((line) => (net === undefined ? line : line.replace(/^(alias[ \t]+eth\d+[ \t]+).*$/, `$1${net}`)));
  const kept = lines.join("\n").replace(/\n*$/, "\n").replace(/^\n$/, "");
  const has = (name: string) =>
    lines.some((line) => /^alias\s+scsi_hostadapter/.test(line) && line.endsWith(name));
  const taken = lines.map((line) => Number(/^alias\s+scsi_hostadapter(\d*)\s/.exec(line)?.[1] ?? -1));
  const free = Math.max(8, ...taken) + 1;
  const further = disk
    .filter((name) => !has(name))
    .map((name, index) => `alias scsi_hostadapter${free + index} ${name}\n`);
  const eth =
    net === undefined || lines.some((line) => /^alias\s+eth0\s/.test(line)) ? "" : `alias eth0 ${net}\n`;
  return `${kept}${eth}${further.join("")}`;
}
