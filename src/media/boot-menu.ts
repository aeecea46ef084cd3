import { type Medium, releaseOf } from "./media.ts";

/** What a menu's default entry starts. */
export interface MenuEntry {
  /** Only words and blanks, which have no special meaning in any menu. */
  readonly title: string;
  /** Absolute paths on the disc. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

/** The text on the console before the installer starts. */
export function menuTitle(medium: Medium): string {
  return `tbuild installs ${releaseOf(medium)} and erases the first disk`.replaceAll(/[^\w .+-]/g, "");
}

/**
 * A complete menu for isolinux. It has no prompt, so no input on a serial line can stop it. Hold Shift to get a
 * prompt; `local` then starts the first disk.
 */
export function isolinuxMenu(entry: MenuEntry): string {
  return `# ${entry.title}
serial 0 115200
default tbuild
prompt 0
timeout 10
say ${entry.title}
label tbuild
  kernel ${entry.kernel}
  append initrd=${entry.initrd} ${entry.commandLine}
label local
  localboot 0x80
`;
}

/**
 * A menu for GRUB under UEFI, in the dialect of the menu that it replaces: OL6 has GRUB 0.97, and some builds
 * of GRUB 2 know only `linuxefi`, others only `linux`. The lines that find the disc are copied from the old
 * menu.
 */
export function grubMenu(entry: MenuEntry, old: string): string {
  const lines = old.split(/\r?\n/);
  if (!lines.some((line) => /^\s*menuentry\s/.test(line))) return legacyGrubMenu(entry, lines);
  const word = (pattern: RegExp, otherwise: string) =>
    lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined) ?? otherwise;
  return [
    `# ${entry.title}`,
    "set default=0",
    "set timeout=1",
    ...lines.filter((line) => /^\s*(search|insmod)\s/.test(line)).map((line) => line.trim()),
    `menuentry "${entry.title}" {`,
    `\t${word(/^\s*(linux(?:efi)?)\s/, "linuxefi")} ${entry.kernel} ${labelAsIn(old, entry.commandLine)}`,
    `\t${word(/^\s*(initrd(?:efi)?)\s/, "initrdefi")} ${entry.initrd}`,
    "}",
    "",
  ].join("\n");
}

// `findiso` and `root` select the disc for the paths below.
function legacyGrubMenu(entry: MenuEntry, old: readonly string[]): string {
  const finds = old.filter((line) => /^\s*(findiso\b|root\s)/.test(line)).map((line) => `\t${line.trim()}`);
  return [
    `# ${entry.title}`,
    "default=0",
    "timeout=1",
    "hiddenmenu",
    `title ${entry.title}`,
    ...finds.slice(0, 1),
    `\tkernel ${entry.kernel} ${entry.commandLine}`,
    `\tinitrd ${entry.initrd}`,
    "",
  ].join("\n");
}

// The GRUB on Oracle's discs passes `\x20` to the kernel unchanged, quoted or not (Red Hat's patch of
// 2.02~beta2). Upstream's passes `x20`, or `\\x20` in any quotes: no spelling is right for both. The old menu
// was written for the GRUB on the disc, so the label is copied from it.
function labelAsIn(old: string, commandLine: string): string {
  const label = /inst\.stage2=hd:LABEL=([^\s:'"]+)/;
  const [theirs, ours] = [label.exec(old)?.[1], label.exec(commandLine)?.[1]];
  if (theirs === undefined || ours === undefined) return commandLine;
  return commandLine.replaceAll(`hd:LABEL=${ours}`, () => `hd:LABEL=${theirs}`);
}
