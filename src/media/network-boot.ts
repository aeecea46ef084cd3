import { menuTitle } from "./boot-menu.ts";
import { installCommandLine } from "./command-line.ts";
import type { Medium } from "./media.ts";

export interface NetworkBoot {
  /** For `pxelinux.cfg/default`. */
  readonly pxelinux: string;
  /** For `grub.cfg` beside a GRUB that UEFI has fetched. */
  readonly grub: string;
  /** A script for iPXE, which finds kernel and initrd where it was found itself. */
  readonly ipxe: string;
  /** The kickstart, which installs from the web server instead of a CD. */
  readonly kickstart: string;
  /** The kernel's command line, for any other way to start over the network. */
  readonly commandLine: string;
  /** Where the medium's files are to be found: what Oracle VM calls the network install path. */
  readonly tree: string;
}

/** What a web server and a TFTP server need: `url` is where the result and, in `disc/`, the medium's files are. */
export function networkBoot(medium: Medium, kickstart: string, url: string): NetworkBoot {
  const base = url.replace(/\/+$/, "");
  const tree = `${base}/disc`;
  const commandLine = installCommandLine(medium, {
    kickstart: { kickstart: `${base}/ks.cfg`, tree },
    talksOn: "screen",
  });
  return {
    tree,
    commandLine,
    kickstart: kickstart.replace(/^cdrom[ \t]*$/m, () => `url --url=${tree}`),
    pxelinux: `default tbuild
prompt 0
label tbuild
  kernel vmlinuz
  append initrd=initrd.img ${commandLine}
`,
    grub: `set default=0
set timeout=1
menuentry "${menuTitle(medium)}" {
  linux /vmlinuz ${commandLine}
  initrd /initrd.img
}
`,
    ipxe: `#!ipxe
kernel vmlinuz initrd=initrd.img ${commandLine}
initrd initrd.img
boot
`,
  };
}
