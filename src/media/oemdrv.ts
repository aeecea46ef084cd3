import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { type Medium, releaseOf } from "./media.ts";
import { type ImageMaking, xorriso } from "./xorriso.ts";

const label = "OEMDRV";

/** Why this release's installer would not read a kickstart from such a volume; `undefined` if it does. */
export function withoutOemdrv(medium: Medium): string | undefined {
  const { major, update } = medium;
  const release = releaseOf(medium);
  if (major <= 6)
    return `${release} looks for drivers only on a volume labelled ${label}, not for a kickstart`;
  if (major === 7 && update !== undefined && update < 2)
    return `${release} does not look for it yet: 7.2 is the first update that does`;
  return undefined;
}

/** Limits that apply if it does. */
export function oemdrvWarnings({ major, update }: Medium, form: OemdrvForm): string[] {
  if (major === 7 && update === undefined)
    return ["the disc does not name its update; installers before OL7.2 do not look for this volume"];
  return form === "disk" && major === 7 && update !== undefined && update < 4
    ? ["before OL7.4, the installer may install to a disk with this label; make it a CD (iso)"]
    : [];
}

export type OemdrvForm = "iso" | "disk";

/** Writes a volume that the installer finds by its label: a CD to insert beside the unchanged medium, or a small disk. */
export async function oemdrv(
  making: ImageMaking,
  medium: Medium,
  to: string,
  options: { readonly kickstart: string; readonly form: OemdrvForm },
): Promise<void> {
  const reason = withoutOemdrv(medium);
  if (reason !== undefined)
    throw new TbuildError("usage", reason, {
      subject: medium.file,
      hint: "Use --as remaster or --as boot, which work with every release.",
    });
  const tree = join(making.scratch, "tree");
  await makeFolders(tree);
  const kickstart = join(tree, "ks.cfg");
  await writeFile(kickstart, options.kickstart);
  if (options.form === "iso")
    return xorriso(making, "writing the ISO", ["-as", "mkisofs", "-o", to, "-V", label, "-R", "-J", tree]);
  const run = (argv: readonly string[]) =>
    making.host.run(argv, { ...(making.signal && { signal: making.signal }) });
  // A floppy's 1.44 MB without a partition table, so the label is that of the whole disk.
  await run(["mformat", "-C", "-i", to, "-f", "1440", "-v", label, "::"]);
  await run(["mcopy", "-i", to, kickstart, "::ks.cfg"]);
}
