import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { addonsUrl, stageAddons } from "../media/addons.ts";
import { bootIso } from "../media/boot-iso.ts";
import { checkMedium } from "../media/check.ts";
import { type CommandLineOptions, installCommandLine } from "../media/command-line.ts";
import { appendToInitrd } from "../media/initrd.ts";
import type { Medium } from "../media/media.ts";
import { extractBoot, readMedium } from "../media/medium.ts";
import { networkBoot } from "../media/network-boot.ts";
import { type OemdrvForm, oemdrv, oemdrvWarnings } from "../media/oemdrv.ts";
import { remaster } from "../media/remaster.ts";
import type { ImageMaking } from "../media/xorriso.ts";
import { loadRecipe } from "../recipe/load.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { makeRehearsalMedium } from "../rehearsal/medium.ts";
import { kickstartOf, type Workshop } from "./build.ts";
import { rules } from "./rules.ts";
import { missingIso, wantedMedium } from "./steps/fetch-medium.ts";
import { makeSecrets } from "./steps/install-guest.ts";

export const mediaForms = ["remaster", "boot", "oemdrv", "initrd", "network"] as const;
export type MediaForm = (typeof mediaForms)[number];

export interface InstallMediaRequest {
  readonly form: MediaForm;
  /** The recipe whose kickstart it installs with; or a kickstart's file, and then `iso` too. */
  readonly recipe?: string;
  readonly kickstart?: string;
  /** The disc; else the one that the recipe names. */
  readonly iso?: string;
  readonly rehearse: boolean;
  /** A folder of RPMs to put on the medium. */
  readonly addons?: string;
  readonly talksOn?: CommandLineOptions["talksOn"];
  readonly oemdrvForm: OemdrvForm;
  /** Where a web server will have the result. */
  readonly url?: string;
  /** The folder that will hold the result. */
  readonly out: string;
  /** Whether what is in that folder may be thrown away. */
  readonly replace: boolean;
}

export interface InstallMedia {
  readonly folder: string;
  /** The main file first. */
  readonly files: readonly string[];
  readonly medium: Medium;
  /** What the installer is started with; nothing where the disc's own menu starts it. */
  readonly commandLine?: string;
  /** Where the installer sees the extra packages. */
  readonly addonsUrl?: string;
  readonly notes: readonly string[];
}

export interface InstallMediaOptions {
  readonly signal: AbortSignal;
  readonly progress: (text: string, done?: number, total?: number) => void;
}

/**
 * Makes what installs a recipe unattended somewhere else than on our own hypervisor: a disc, a disk, a kernel with its
 * initrd, or the files of a boot server. The throw-away key and password of the guest lie beside it.
 */
export async function makeInstallMedia(
  workshop: Workshop,
  request: InstallMediaRequest,
  options: InstallMediaOptions,
): Promise<InstallMedia> {
  refuseNonsense(request);
  await refuseFull(request);
  const medium = await openMedium(workshop, request, options);
  const part = `${request.out}.part`;
  const making: ImageMaking = { host: workshop.host, scratch: join(part, "scratch"), ...options };
  await rm(part, { recursive: true, force: true });
  await mkdir(making.scratch, { recursive: true, mode: 0o700 });
  await chmod(part, 0o700);
  try {
    const kickstart = await kickstartFor(workshop, request, part);
    const made = await makers[request.form]({ request, medium, kickstart, making, part });
    await rm(making.scratch, { recursive: true });
    const files = [
      ...made.files,
      ...(await readdir(part)).filter((name) => !made.files.includes(name)).sort(),
    ];
    // What is in it lets in as root.
    for (const file of files)
      if ((await stat(join(part, file))).isFile()) await chmod(join(part, file), 0o600);
    if (request.replace) await rm(request.out, { recursive: true, force: true });
    await rename(part, request.out);
    const left =
      request.kickstart === undefined
        ? ["what the recipe adds over ssh is left to do, with build-key: this installs its kickstart"]
        : [];
    const { files: _files, ...more } = { ...made, notes: [...made.notes, ...left] };
    return { folder: request.out, medium, files: files.map((name) => join(request.out, name)), ...more };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

function refuseNonsense({ recipe, kickstart, iso, rehearse, addons, form, url }: InstallMediaRequest): void {
  const wrong =
    recipe === undefined && kickstart === undefined
      ? "name a recipe, or a kickstart with --kickstart"
      : recipe === undefined && iso === undefined
        ? "a kickstart alone does not say which disc it is for; name it with --iso"
        : rehearse && (iso !== undefined || recipe === undefined)
          ? "--rehearse makes the disc that the recipe needs; leave out --iso, and name a recipe"
          : addons !== undefined && form !== "remaster"
            ? "--addons puts packages on the disc that the installer installs from; that is --as remaster"
            : (form === "network") !== (url !== undefined)
              ? "--url goes with --as network, and says where the web server will have the result"
              : url !== undefined && !/^(https?|ftp):\/\/[\w.:/~%-]+$/.test(url)
                ? `--url: ${url} is no http or ftp address`
                : undefined;
  if (wrong !== undefined)
    throw new TbuildError("usage", wrong, { hint: "tbuild media make --help shows examples." });
}

async function refuseFull({ out, replace }: InstallMediaRequest): Promise<void> {
  const inside = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new TbuildError("usage", `${out}: is no folder`);
  });
  if (inside.length > 0 && !replace)
    throw new TbuildError("usage", `${out}: there is something in it already`);
}

async function openMedium(
  { recipes, home, host }: Workshop,
  request: InstallMediaRequest,
  { signal, progress }: InstallMediaOptions,
): Promise<Medium> {
  if (request.recipe === undefined) return readMedium(request.iso ?? "");
  const { recipe } = await loadRecipe(recipes, request.recipe, rules);
  if (request.rehearse) {
    const release = rehearsalRelease(recipe);
    const made = await makeRehearsalMedium(host, release, { cache: home.media, signal, progress });
    return readMedium(made.iso);
  }
  const file = request.iso ?? join(home.isoFolder, recipe.iso.file);
  if (request.iso === undefined && !(await stat(file).catch(() => undefined)))
    throw await missingIso(recipe, home.isoFolder);
  const medium = await readMedium(file);
  await checkMedium(medium, wantedMedium(recipe), {
    cacheFile: join(home.memory, "iso-digests.json"),
    signal,
    progress: (done, total) => progress("reading the ISO for its digest", done, total),
  });
  return medium;
}

function rehearsalRelease({ name, release, update }: Recipe) {
  const major = majorOf(release);
  if (major === 6 || major === 7) return { major, update } as const;
  throw new TbuildError("usage", `${name}: no rehearsal medium for ${release}`, {
    hint: "There is one for ol6 and one for ol7.",
  });
}

/** The kickstart as it will be read, with secrets of its own where it comes from a recipe. */
async function kickstartFor(workshop: Workshop, request: InstallMediaRequest, part: string): Promise<string> {
  if (request.kickstart !== undefined)
    return readFile(request.kickstart, "utf8").catch(() => {
      throw new TbuildError("usage", `${request.kickstart}: no such file`);
    });
  const secrets = await makeSecrets({ host: workshop.host, out: part, folder: part });
  return kickstartOf(workshop, request.recipe ?? "", secrets);
}

interface Making {
  readonly request: InstallMediaRequest;
  readonly medium: Medium;
  readonly kickstart: string;
  readonly making: ImageMaking;
  /** Where the result is put together. */
  readonly part: string;
}

type Made = Omit<InstallMedia, "folder" | "medium">;

const makers: Readonly<Record<MediaForm, (making: Making) => Promise<Made>>> = {
  async remaster({ request, medium, kickstart, making, part }) {
    const file = `${nameOf(request)}-install.iso`;
    const talksOn = request.talksOn ?? "screen";
    const addons =
      request.addons === undefined ? undefined : await stageAddons(making, medium, request.addons);
    const url = addons === undefined ? undefined : addonsUrl(medium);
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
          ? "it shares its blocks with the original: what was added is all that it takes"
          : "the file system shares no blocks between files, so it is a whole copy; --as boot needs none",
        "attach it alone: the original has the same label",
        ...(addons !== undefined && url === undefined
          ? ["the installer of this release does not use /addons by itself: the kickstart must, in %post"]
          : []),
        diskFirst,
      ],
    };
  },
  async boot({ request, medium, kickstart, making, part }) {
    const file = `${nameOf(request)}-boot.iso`;
    const talksOn = request.talksOn ?? "screen";
    await bootIso(making, medium, join(part, file), { kickstart, talksOn });
    await writeFile(join(part, "ks.cfg"), kickstart);
    return {
      files: [file, "ks.cfg"],
      commandLine: installCommandLine(medium, { kickstart: "initrd", talksOn }),
      notes: [
        `the first CD drive gets it, the second ${medium.file} as it is`,
        "a BIOS starts it, UEFI does not",
        diskFirst,
      ],
    };
  },
  async oemdrv({ request, medium, kickstart, making, part }) {
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
  async initrd({ request, medium, kickstart, making, part }) {
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
  async network({ request, medium, kickstart, part }) {
    const boot = networkBoot(medium, kickstart, request.url ?? "");
    await extractBoot(medium, join(part, "vmlinuz"), join(part, "initrd.img"));
    await writeFile(join(part, "ks.cfg"), boot.kickstart);
    await mkdir(join(part, "pxelinux.cfg"), { mode: 0o700 });
    await writeFile(join(part, "pxelinux.cfg", "default"), boot.pxelinux);
    return {
      files: ["pxelinux.cfg", "ks.cfg", "vmlinuz", "initrd.img"],
      commandLine: boot.commandLine,
      notes: [
        `put the files of ${medium.file} (mounted, or unpacked) where ${boot.tree} serves them`,
        // COMMAND_LINE_SIZE of 2.6.18, less what the boot loader adds.
        ...(medium.major <= 5 && boot.commandLine.length > 200
          ? ["OL5's kernel reads 255 characters of its command line: take a shorter --url"]
          : []),
        "whoever can read ks.cfg there has the password's hash: serve it for as long as it takes",
        ...(medium.xen
          ? [
              `a PV guest of Oracle VM takes ${boot.tree} as its network install path, and starts ${medium.xen.kernel}`,
            ]
          : []),
      ],
    };
  },
};

// Otherwise the disc, left in its drive, would install again over what it has installed.
const diskFirst = "let the machine try its disk first and this second (in Oracle VM: bootOrder='DISK,CDROM')";

function nameOf({ recipe, kickstart }: InstallMediaRequest): string {
  const name = recipe ?? kickstart ?? "";
  return (name.split("/").at(-1) ?? "").replace(/\.(yaml|cfg|ks)$/, "");
}

/** A kickstart that also installs from the packages on the medium, unless it sees to them itself. */
function offering(kickstart: string, url: string | undefined): string {
  if (url === undefined || kickstart.includes("/addons")) return kickstart;
  return kickstart.replace(/^%/m, () => `repo --name=tbuild-addons --baseurl=${url}\n\n%`);
}
