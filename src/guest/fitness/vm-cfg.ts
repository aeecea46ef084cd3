import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type GuestMode, modeOf } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import type { GuestTree } from "../../image/tree.ts";
import { reasonOf } from "../../io/file-fault.ts";
import type { DiskEntry } from "../../vm-cfg/devices.ts";
import { readVmCfg, type VmCfg } from "../../vm-cfg/document.ts";
import { machineOf } from "../../vm-cfg/machine.ts";
import { type Finding, verdictOf } from "./finding.ts";
import type { Fitness } from "./fitness.ts";

export type { VmCfg } from "../../vm-cfg/document.ts";

/** The parts of an image that a vm.cfg must match. */
export interface CheckedDisk {
  /** Its file, and its format by its bytes. */
  readonly file: string;
  readonly format: string;
  readonly mode: GuestMode;
  /** The kernel's arguments, and `/etc/fstab`, if known. */
  readonly args?: string;
  readonly fstab?: string;
}

/** The vm.cfg in a file. */
export async function vmCfgIn(file: string): Promise<VmCfg> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("usage", `cannot be read: ${reasonOf(cause)}`, {
      subject: file,
      hint: "Name a vm.cfg: --vm-cfg FILE.",
      cause,
    });
  });
  return readVmCfg(bytes, file);
}

/** The mode in which a vm.cfg starts its machine; `undefined` if it does not specify one. */
export function modeOfVmCfg(config: VmCfg): GuestMode | undefined {
  const { domainType } = machineOf(config);
  return domainType && modeOf[domainType];
}

/** A check of an image, with the findings about its vm.cfg; `about` names that. */
export async function withVmCfg(
  fitness: Fitness,
  config: VmCfg,
  { file, tree }: { readonly file: string; readonly tree?: GuestTree },
  about = "vm.cfg",
): Promise<Fitness> {
  const { mode, boots } = fitness;
  await using disk = await readImageFile(file);
  const fstab = await tree?.text("/etc/fstab");
  const own = vmCfgFindings(config, {
    file,
    format: disk.format,
    mode,
    ...(boots && { args: boots.args }),
    ...(fstab !== undefined && { fstab }),
  });
  const findings = [...fitness.findings, ...own.map((finding) => ({ ...finding, about }))];
  return { ...fitness, verdict: verdictOf(findings), findings };
}

/**
 * The mismatches between a vm.cfg and the image that it starts: its type, boot loader, disks and their names.
 */
export function vmCfgFindings(config: VmCfg, image: CheckedDisk): Finding[] {
  const { disks } = machineOf(config);
  return [
    ...typeFindings(config, image),
    ...bootFindings(config, image.mode),
    ...diskFindings(disks, image),
    ...nameFindings(disks, image),
  ];
}

const about = "vm.cfg";

function typeFindings(config: VmCfg, { mode }: CheckedDisk): Finding[] {
  const own = modeOfVmCfg(config);
  if (own === undefined)
    return [
      {
        weight: "unknown",
        about,
        why: "does not specify the machine's type",
        remedy: 'set type="pv" or builder="hvm"',
      },
    ];
  // The same vm.cfg serves both: the guest's drivers make the difference.
  if (own === mode || (own !== "pvm" && mode !== "pvm" && mode !== "kvm")) return [];
  return [
    {
      weight: "unfit",
      about,
      why: `starts the machine as ${own}, but the guest is checked as ${mode}`,
      remedy: `check it for that: --to ${own}; or change type, builder, bootloader and kernel in it`,
    },
  ];
}

function bootFindings(config: VmCfg, mode: GuestMode): Finding[] {
  const word = (key: string) => {
    const value = config.values.get(key);
    return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
  };
  const [loader, kernel, boot] = [word("bootloader"), word("kernel"), word("boot")];
  if (mode !== "pvm")
    return boot !== undefined && !boot.startsWith("c")
      ? [
          {
            weight: "remark",
            about,
            why: `boot="${boot}": the firmware tries something else before the disk`,
          },
        ]
      : [];
  if (loader !== undefined)
    return /(?:^|\/)pygrub$/.test(loader)
      ? []
      : [{ weight: "unknown", about, why: `its bootloader is ${loader}, but tbuild knows only pygrub` }];
  if (kernel !== undefined)
    return [
      {
        weight: "unknown",
        about,
        why: `starts the kernel ${kernel} of the Xen host, not the one in the image`,
        remedy: 'set bootloader="pygrub" instead',
      },
    ];
  return [
    {
      weight: "unfit",
      about,
      why: "names neither a bootloader nor a kernel",
      remedy: 'set bootloader="pygrub"',
    },
  ];
}

function diskFindings(disks: readonly DiskEntry[], { file, format, mode }: CheckedDisk): Finding[] {
  const [first] = disks.filter(({ target }) => target !== undefined);
  if (!first) return [{ weight: "unfit", about, why: "has no disk", remedy: "add the image to disk" }];
  const own = disks.find(({ target = "" }) => basename(target) === basename(file)) ?? first;
  const name = own.target ?? own.text;
  const found: Finding[] = [];
  if (mode === "pvm" && (own !== first || first.isCdrom))
    found.push({
      weight: "unfit",
      about,
      why: `its first disk is ${first.target}, and pygrub looks for the kernel only on that`,
      remedy: `name ${name} first`,
    });
  if (mode !== "pvm" && own.slot !== undefined && !/^(?:xvd|[hs]d)a\d*$/.test(own.slot))
    found.push({
      weight: "unfit",
      about,
      why: `${name} is ${own.slot}, but the firmware boots the first disk`,
      remedy: "make it xvda or hda",
    });
  // Oracle VM treats `file:` as raw, regardless of the contents.
  const told = own.isDevice || own.format === "unknown" ? "raw" : own.format;
  if (told !== format)
    found.push({
      weight: "unfit",
      about,
      why: `declares ${name} as ${told}, but the image is ${format}`,
      remedy: `convert the image: qemu-img convert -O ${told}`,
    });
  if (own.mode === "r")
    found.push({ weight: "remark", about, why: `${name} is read-only: the guest cannot write to its root` });
  return found;
}

/** Names of disks that the guest uses, but the machine lacks. */
function nameFindings(disks: readonly DiskEntry[], { args = "", fstab = "" }: CheckedDisk): Finding[] {
  const slots = disks.filter(({ isCdrom }) => !isCdrom).map(({ slot = "" }) => slot);
  const letters = new Set(slots.map((slot) => /^(?:xvd|[hs]d)([a-z]+)\d*$/.exec(slot)?.[1] ?? ""));
  const isThere = (letter: string) => letters.has(letter);
  const found: Finding[] = [];
  const root = /(?:^|\s)root=(\/dev\/(?:xvd|[hsv]d)([a-z]+)\d*)(?:\s|$)/.exec(args);
  if (root && !isThere(root[2] ?? ""))
    found.push({
      weight: "unfit",
      about,
      why: `has no disk for the root ${root[1]}: its slots are ${slots.join(", ") || "none"}`,
      remedy: "give a disk that slot, or name the root by its UUID",
    });
  for (const line of fstab.split("\n")) {
    const [device = "", at = "", fs = "", options = ""] = line.trim().split(/\s+/);
    const letter = /^\/dev\/(?:xvd|[hsv]d)([a-z]+)\d*$/.exec(device)?.[1];
    if (letter === undefined || isThere(letter)) continue;
    const isNeeded = fs !== "swap" && !/(?:^|,)(?:noauto|nofail)(?:,|$)/.test(options);
    found.push({
      weight: isNeeded ? "unfit" : "remark",
      about,
      why: `has no disk for ${device} of /etc/fstab (${fs === "swap" ? "swap" : at})`,
      remedy: "give a disk that slot, or mark the entry nofail",
    });
  }
  return found;
}
