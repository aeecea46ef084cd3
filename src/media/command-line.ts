import type { Medium } from "./media.ts";

/** Where the installer finds its kickstart. */
export type KickstartAt =
  /** In its own initrd. */
  | "initrd"
  /** `ks.cfg` on the medium itself. */
  | "medium"
  /** A volume labelled OEMDRV, which the installer looks for. */
  | "oemdrv"
  /** A web server that also has the medium's files, in a folder. */
  | { readonly kickstart: string; readonly tree: string };

export interface CommandLineOptions {
  readonly kickstart: KickstartAt;
  /** Where Anaconda prints: on the serial console, which tbuild reads, or on the screen, which Oracle VM Manager shows. */
  readonly talksOn: "serial" | "screen";
}

/** The kernel's command line for an unattended installation, as the release's installer understands it. */
export function installCommandLine(
  medium: Pick<Medium, "major" | "volumeId">,
  { kickstart, talksOn }: CommandLineOptions = { kickstart: "initrd", talksOn: "serial" },
): string {
  return [
    ...(medium.major >= 7 ? dracutWords(medium, kickstart) : loaderWords(medium, kickstart)),
    // Anaconda prints on the last one.
    ...(talksOn === "serial"
      ? ["console=tty0", "console=ttyS0,115200"]
      : ["console=ttyS0,115200", "console=tty0"]),
  ].join(" ");
}

// OL5 and OL6 look for their second stage on every CD drive, and know no labels for a CD.
function loaderWords({ major }: Pick<Medium, "major">, kickstart: KickstartAt): string[] {
  const where =
    typeof kickstart === "object"
      ? [`ks=${kickstart.kickstart}`, `method=${kickstart.tree}`]
      : [kickstart === "medium" ? "ks=cdrom:/ks.cfg" : "ks=file:/ks.cfg"];
  return [
    ...where,
    "cmdline",
    ...(major <= 5 ? ["headless", "noipv6"] : []),
    "ksdevice=eth0",
    "lang=en_US",
    "keymap=us",
  ];
}

function dracutWords(
  { major, volumeId }: Pick<Medium, "major" | "volumeId">,
  kickstart: KickstartAt,
): string[] {
  const label = `hd:LABEL=${escapedLabel(volumeId)}`;
  // With two CD drives, Anaconda may use either as its root unless an option names one.
  const stage2 = typeof kickstart === "object" ? `inst.repo=${kickstart.tree}` : `inst.stage2=${label}`;
  const file = {
    initrd: ["inst.ks=file:/ks.cfg"],
    medium: [`inst.ks=${label}:/ks.cfg`],
    oemdrv: [],
  };
  return [
    ...(typeof kickstart === "object" ? [`inst.ks=${kickstart.kickstart}`] : file[kickstart]),
    stage2,
    "inst.cmdline",
    "inst.geoloc=0",
    "net.ifnames=0",
    "biosdevname=0",
    ...(major >= 8 ? ["inst.notmux", "inst.ksstrict"] : []),
  ];
}

/** A volume id as udev writes it in /dev/disk/by-label. */
export function escapedLabel(label: string): string {
  return [...Buffer.from(label, "latin1")]
    .map((byte) =>
      /[a-zA-Z0-9#+.:=@_-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `\\x${byte.toString(16).padStart(2, "0")}`,
    )
    .join("");
}
