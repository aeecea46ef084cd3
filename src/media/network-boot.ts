import { dirname, join } from "node:path";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { menuTitle } from "./boot-menu.ts";
import { installCommandLine } from "./command-line.ts";
import type { Medium } from "./media.ts";

export interface NetworkBoot {
  /** For `pxelinux.cfg/default`. */
  readonly pxelinux: string;
  /** The menu for a GRUB that UEFI fetched. */
  readonly grub: string;
  /** An iPXE script. It finds kernel and initrd beside itself. */
  readonly ipxe: string;
  /** The kickstart, changed to install from the web server instead of a CD. */
  readonly kickstart: string;
  /** The kernel's command line, for any other network boot. */
  readonly commandLine: string;
  /** The URL of the medium's files. Oracle VM calls it the network install path. */
  readonly tree: string;
}

/** The files for a web server and a TFTP server. `url` is the address of the result, with the medium's files in `disc/`. */
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

/** Writes everything except kernel and initrd into a folder, under the names that the loaders request. */
export async function writeNetworkBoot(folder: string, boot: NetworkBoot): Promise<string[]> {
  const files = {
    "pxelinux.cfg/default": boot.pxelinux,
    "grub.cfg": boot.grub,
    // The only place where Debian's and Ubuntu's signed network GRUB looks.
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

// OL7's GRUB needs `linuxefi`, and upstream's knows `linux` only. GRUB calls a function only if no command
// has its name. OL6's kernel is too old for `linuxefi`, which then fails.
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
