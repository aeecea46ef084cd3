import type { Medium } from "./media.ts";

/** The kernel's command line for an installation with `ks.cfg` in the initrd and its console on the serial line. */
export function installCommandLine(medium: Medium): string {
  // The last console is where Anaconda talks.
  const consoles = "console=tty0 console=ttyS0,115200";
  if (medium.major <= 5)
    return `ks=file:/ks.cfg cmdline headless noipv6 ksdevice=eth0 lang=en_US keymap=us ${consoles}`;
  if (medium.major === 6) return `ks=file:/ks.cfg cmdline ksdevice=eth0 lang=en_US keymap=us ${consoles}`;
  // With two CD drives Anaconda may take either as its root, unless told which.
  const stage2 = `inst.stage2=hd:LABEL=${escapedLabel(medium.volumeId)}`;
  const late = medium.major >= 8 ? " inst.notmux inst.ksstrict" : "";
  return `inst.ks=file:/ks.cfg ${stage2} inst.cmdline inst.geoloc=0 net.ifnames=0 biosdevname=0${late} ${consoles}`;
}

/** A volume id as udev writes it in /dev/disk/by-label. */
export function escapedLabel(label: string): string {
  return [...Buffer.from(label)]
    .map((byte) =>
      /[a-zA-Z0-9#+.:=@_-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
    )
    .join("");
}
