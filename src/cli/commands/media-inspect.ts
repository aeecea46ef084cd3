import { join } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { fileDigest } from "../../io/file-digest.ts";
import { type BootFiles, bootFiles } from "../../media/boot-files.ts";
import { discsIn } from "../../media/discs.ts";
import { type Medium, numberOf } from "../../media/media.ts";
import { readMedium } from "../../media/medium.ts";
import { withoutOemdrv } from "../../media/oemdrv.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";
import { coloursFor, size } from "../words.ts";

type Inspected = Medium & BootFiles & { readonly sha256?: string };

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false, digest = false } = command.opts<{ json?: boolean; digest?: boolean }>();
  const { home } = await openSite(command);
  const named = args[0] as readonly string[];
  const media = named.length > 0 ? await Promise.all(named.map(readMedium)) : await lyingIn(home.isoFolder);
  const cacheFile = join(home.memory, "iso-digests.json");
  const inspected: Inspected[] = [];
  for (const medium of media) {
    const sha256 = digest
      ? await interruptible(stays.unchanged, (signal) => fileDigest(medium.file, { cacheFile, signal }))
      : undefined;
    inspected.push({ ...medium, ...(await bootFiles(medium)), ...(sha256 !== undefined && { sha256 }) });
  }
  process.stdout.write(
    json ? `${JSON.stringify(inspected, undefined, 2)}\n` : inspected.map(described).join("\n"),
  );
}

async function lyingIn(folder: string): Promise<Medium[]> {
  const found = await discsIn(folder);
  const faults = found.flatMap((disc) => ("fault" in disc ? [printable(disc.fault)] : []));
  const media = found.flatMap((disc) => ("medium" in disc ? [disc.medium] : []));
  if (media.length === 0)
    throw new TbuildError("environment", "no installation disc found", {
      subject: folder,
      lines: faults,
      hint: "Put Oracle's discs there, or name one, for example: tbuild media inspect DVD.iso",
    });
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  return media;
}

function described(medium: Inspected): string {
  const { starts, repositories, xen } = medium;
  const oemdrv = withoutOemdrv(medium);
  const rows = [
    ["release", `${medium.family} ${numberOf(medium)} ${medium.arch}`],
    ...(medium.variant === undefined ? [] : [["variant", medium.variant]]),
    ["volume id", medium.volumeId],
    ["size", `${size(medium.bytes)} (${medium.bytes} bytes)`],
    ...(medium.sha256 === undefined ? [] : [["sha256", medium.sha256]]),
    ["kernel", `${medium.kernel}${medium.kernelVersion === undefined ? "" : ` (${medium.kernelVersion})`}`],
    ["initrd", `${medium.initrd} (${medium.initrdPacking})`],
    ...(xen === undefined ? [] : [["for PV", xen.kernel]]),
    ["stage 2", medium.stage2 ?? "none"],
    [
      "packages",
      repositories.length === 0 ? "none: it only starts an installation" : repositories.join(", "),
    ],
    ["starts by", startedBy(starts)],
    ["OEMDRV", oemdrv ?? "yes"],
  ];
  const title = coloursFor(process.stdout).bold(medium.file);
  return `${title}\n${table(rows.map(([name, value = ""]) => [`  ${name}`, printable(value)]))}\n`;
}

function startedBy({ isolinux, biosOtherwise, efi, efiOutside }: Medium["starts"]): string {
  const ways = [
    isolinux && "BIOS",
    biosOtherwise && "BIOS (with a menu other than isolinux)",
    efi && "UEFI",
    efiOutside && "UEFI (with a menu that cannot be changed)",
  ];
  return ways.filter(Boolean).join(", ") || "nothing";
}
