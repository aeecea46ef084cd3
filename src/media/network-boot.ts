import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolders } from "../io/folders.ts";
import { menuTitle } from "./boot-menu.ts";
import { installCommandLine } from "./command-line.ts";
import type { Medium } from "./media.ts";

export interface NetworkBoot {
  /** For `pxelinux.cfg/default`. */
  readonly pxelinux: string;
  /** The menu of a GRUB that UEFI has fetched. */
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
    grub: grubMenu(menuTitle(medium), commandLine),
    ipxe: `#!ipxe
kernel vmlinuz initrd=initrd.img ${commandLine}
initrd initrd.img
boot
`,
  };
}

/** Puts everything but kernel and initrd into a folder, under the names by which the loaders ask for it. */
export async function writeNetworkBoot(folder: string, boot: NetworkBoot): Promise<string[]> {
  const files = {
    "pxelinux.cfg/default": boot.pxelinux,
    "grub.cfg": boot.grub,
    // Debian's and Ubuntu's signed GRUB for the network looks here, and nowhere else.
    "grub/grub.cfg": boot.grub,
    "boot.ipxe": boot.ipxe,
    "ks.cfg": boot.kickstart,
  };
  for (const [name, text] of Object.entries(files)) {
    await makeFolders(join(folder, dirname(name)), 0o700);
    await writeFile(join(folder, name), text);
  }
  return ["pxelinux.cfg", "grub.cfg", "grub", "boot.ipxe", "ks.cfg"];
}

// OL7's GRUB wants `linuxefi`, and upstream's knows `linux` only: a function is called where no command has its name.
// OL6's kernel is too old for `linuxefi`, which fails then.
function grubMenu(title: string, commandLine: string): string {
  return `set default=0
set timeout=1
function linuxefi {
  linux "$@"
}
function initrdefi {
  initrd "$@"
}
menuentry "${title}" {
  if linuxefi /vmlinuz ${commandLine}; then
    initrdefi /initrd.img
  else
    linux /vmlinuz ${commandLine}
    initrd /initrd.img
  fi
}
`;
}
