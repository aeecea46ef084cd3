import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { writeFile } from "../io/write-file.ts";
import { addonsUrl, stageAddons } from "../media/addons.ts";
import { bootIso } from "../media/boot-iso.ts";
import { type CommandLineOptions, installCommandLine } from "../media/command-line.ts";
import { appendToInitrd } from "../media/initrd.ts";
import { type Medium, releaseOf } from "../media/media.ts";
import { extractBoot } from "../media/medium.ts";
import { networkBoot, writeNetworkBoot } from "../media/network-boot.ts";
import { type OemdrvForm, oemdrv, oemdrvWarnings } from "../media/oemdrv.ts";
import { remaster } from "../media/remaster.ts";
import type { ImageMaking } from "../media/xorriso.ts";

/** The request for a medium of any form. */
export interface FormRequest {
  /** The recipe whose kickstart is used, or a kickstart file; the latter also needs `iso`. */
  readonly recipe?: string;
  readonly kickstart?: string;
  /** The disc. Default: the recipe's. */
  readonly iso?: string;
  readonly rehearse: boolean;
  /** A folder of RPMs to put on the medium. */
  readonly addons?: string;
  readonly talksOn?: CommandLineOptions["talksOn"];
  readonly oemdrvForm: OemdrvForm;
  /** The URL at which a web server will offer the result. */
  readonly url?: string;
  /** The folder that will hold the result. */
  readonly out: string;
  /** True if the folder's contents may be removed. */
  readonly replace: boolean;
}

export interface InstallMedia {
  readonly folder: string;
  /** The main file first. */
  readonly files: readonly string[];
  readonly medium: Medium;
  /** The installer's command line; `undefined` if the disc's own menu starts it. */
  readonly commandLine?: string;
  /** The location of the extra packages for the installer. */
  readonly addonsUrl?: string;
  readonly notes: readonly string[];
}

/** Input for the function that makes a form. */
interface Making {
  readonly request: FormRequest;
  readonly medium: Medium;
  readonly kickstart: string;
  readonly making: ImageMaking;
  /** The folder in which the result is assembled. */
  readonly part: string;
}

type Made = Omit<InstallMedia, "folder" | "medium">;

/** The forms that can be made from a disc, with notes for their users. */
export const mediaForms = {
  async remaster({ request, medium, kickstart, making, part }: Making): Promise<Made> {
    const file = `${nameOf(request)}-install.iso`;
    const talksOn = request.talksOn ?? "screen";
    const url = request.addons === undefined ? undefined : addonsUrl(medium);
    if (request.addons !== undefined && url === undefined && !kickstart.includes("/addons"))
      throw new TbuildError("usage", `--addons: the installer of ${releaseOf(medium)} would ignore them`, {
        hint: "In the recipe, set `provision: post`, and a repository with the url medium:/addons. Or use them in %post.",
      });
    const addons =
      request.addons === undefined ? undefined : await stageAddons(making, medium, request.addons);
    const withAddons = offering(kickstart, url);
    const { shared } = await remaster(making, medium, join(part, file), {
      kickstart: withAddons,
      talksOn,
      ...(addons !== undefined && { addons }),
    });
    await writeFile(join(part, "ks.cfg"), withAddons);
    return {
      files: [file, "ks.cfg"],
      commandLine: installCommandLine(medium, { kickstart: "medium", talksOn }),
      ...(url !== undefined && { addonsUrl: url }),
      notes: [
        shared
          ? "it shares blocks with the original, so only the additions take space"
          : "it is a full copy, because the file system cannot share blocks between files; --as boot needs no copy",
        "attach it alone: the original has the same label",
        ...(medium.starts.efiOutside
          ? ["a BIOS installs from it; UEFI shows the vendor's own menu, which is outside the disc's files"]
          : []),
        diskFirst,
      ],
    };
  },
  async boot({ request, medium, kickstart, making, part }: Making): Promise<Made> {
    const file = `${nameOf(request)}-boot.iso`;
    const talksOn = request.talksOn ?? "screen";
    const { uefi } = await bootIso(making, medium, join(part, file), { kickstart, talksOn });
    await writeFile(join(part, "ks.cfg"), kickstart);
    return {
      files: [file, "ks.cfg"],
      commandLine: installCommandLine(medium, { kickstart: "initrd", talksOn }),
      notes: [
        `put it into the first CD drive, and the original ${medium.file} into the second`,
        uefi ? "it starts under BIOS and UEFI" : "it starts under a BIOS, but not under UEFI",
        diskFirst,
      ],
    };
  },
  async oemdrv({ request, medium, kickstart, making, part }: Making): Promise<Made> {
    const form = request.oemdrvForm;
    const file = `${nameOf(request)}-oemdrv.${form === "iso" ? "iso" : "img"}`;
    await oemdrv(making, medium, join(part, file), { kickstart, form });
    await writeFile(join(part, "ks.cfg"), kickstart);
    return {
      files: [file, "ks.cfg"],
      notes: [
        `attach it as a second ${form === "iso" ? "CD" : "disk"} beside ${medium.file}, whose own menu starts after a minute`,
        ...oemdrvWarnings(medium, form),
        diskFirst,
      ],
    };
  },
  async initrd({ request, medium, kickstart, making, part }: Making): Promise<Made> {
    const vendor = join(making.scratch, "initrd.vendor");
    await extractBoot(medium, join(part, "vmlinuz"), vendor);
    await appendToInitrd(
      vendor,
      [{ path: "ks.cfg", data: Buffer.from(kickstart) }],
      join(part, "initrd.img"),
    );
    const talksOn = request.talksOn ?? "serial";
    const commandLine = installCommandLine(medium, { kickstart: "initrd", talksOn });
    await writeFile(join(part, "command-line"), `${commandLine}\n`);
    await writeFile(join(part, "ks.cfg"), kickstart);
    return {
      files: ["vmlinuz", "initrd.img", "command-line", "ks.cfg"],
      commandLine,
      notes: [
        `qemu-system-x86_64 -m 2048 -no-reboot -kernel vmlinuz -initrd initrd.img -append "$(cat command-line)" -cdrom ${medium.file} -hda disk.img`,
      ],
    };
  },
  async network({ request, medium, kickstart, part }: Making): Promise<Made> {
    const boot = networkBoot(medium, kickstart, request.url ?? "");
    await extractBoot(medium, join(part, "vmlinuz"), join(part, "initrd.img"));
    return {
      files: [...(await writeNetworkBoot(part, boot)), "vmlinuz", "initrd.img"],
      commandLine: boot.commandLine,
      notes: [
        "a BIOS that starts pxelinux.0 reads pxelinux.cfg, UEFI reads grub.cfg beside grubx64.efi, or grub/grub.cfg if it starts Debian's grubnetx64.efi (all from the TFTP server's root), and iPXE takes boot.ipxe from either server; the loaders themselves come from your distribution",
        `put the files of ${medium.file} (mounted, or unpacked) where ${boot.tree} serves them`,
        // COMMAND_LINE_SIZE of 2.6.18, minus what the boot loader adds.
        ...(medium.major <= 5 && boot.commandLine.length > 200
          ? ["OL5's kernel reads only 255 characters of its command line: use a shorter --url"]
          : []),
        "everyone who can read ks.cfg there can read the password's hash: serve it only during the installation",
        ...(medium.xen
          ? [
              `for a PV guest of Oracle VM, set ${boot.tree} as its network install path; it starts ${medium.xen.kernel}`,
            ]
          : []),
      ],
    };
  },
} as const satisfies Record<string, (making: Making) => Promise<Made>>;
export type MediaForm = keyof typeof mediaForms;

// Otherwise, a disc that stays in its drive would overwrite the installation with a new one.
const diskFirst = "let the machine try its disk first and this second (in Oracle VM: bootOrder='DISK,CDROM')";

function nameOf({ recipe, kickstart }: FormRequest): string {
  const name = recipe ?? kickstart ?? "";
  return (name.split("/").at(-1) ?? "").replace(/\.(yaml|cfg|ks)$/, "");
}

/** The kickstart, extended to install from the packages on the medium unless it already uses them. */
function offering(kickstart: string, url: string | undefined): string {
  if (url === undefined || kickstart.includes("/addons")) return kickstart;
  return kickstart.replace(/^%/m, () => `repo --name=tbuild-addons --baseurl=${url}\n\n%`);
}
