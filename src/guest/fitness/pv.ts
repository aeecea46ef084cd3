import type { Host } from "../../host/host.ts";
import { layoutOf } from "../../image/disk/disk.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import { type BootedKernel, configOf, drivers, driversOf, missingDrivers } from "./drivers.ts";
import { type BootCheck, conversion, type Finding, orReason, verdictOf } from "./finding.ts";
import { type KernelFacts, kernelFacts } from "./kernel-notes.ts";
import { type BootDisk, type MenuOrder, type Pygrub, type PygrubChoice, pygrubOf } from "./pygrub.ts";
import { rootAlone, rootFinding } from "./root-device.ts";
import { type PygrubTraits, targets } from "./targets.ts";
import { existsIn, isFoundBy } from "./volume-files.ts";

const noMenu = `${conversion("pvm")}, which writes a menu for pygrub; the kernel must be on ext3 or ext4`;

/** Reads the disk as pygrub does. Nothing is started, and no root is needed. */
export async function pvCheck(
  host: Host,
  file: string,
  traits: PygrubTraits | undefined = targets["xen-4.17"].pygrub,
): Promise<BootCheck> {
  if (!traits) throw new Error("a target without pygrub has no PVM");
  await using disk = await readImageFile(file);
  const boot: BootDisk = { host, file, format: disk.format, disk, layout: await layoutOf(disk) };
  const newest = await checkBy(boot, traits, "grub2");
  if (traits.isEmulated) return newest;
  // An older pygrub may look for GRUB's old menus first. This matters only if it changes the result.
  const other = await checkBy(boot, traits, "legacy");
  const [one, two] = [newest, other].map(({ boots, verdict }) => {
    const { volume, kernel, initrd, args } = boots ?? {};
    return JSON.stringify([verdict, volume, kernel, initrd, args]);
  });
  const doubts = [
    ...(boot.layout.table === "gpt"
      ? [unknown("partition table", `it is a GPT, and whether ${traits.title} reads one is unknown`)]
      : []),
    ...(one === two ? [] : [orderDoubt(traits, newest, other)]),
  ];
  const found =
    one === two ? newest.findings : newest.findings.filter((finding) => isIn(finding, other.findings));
  const findings = [...found, ...doubts];
  const { boots } = newest;
  return { verdict: verdictOf(findings), ...(one === two && boots && { boots }), findings };
}

function isIn(finding: Finding, others: readonly Finding[]): boolean {
  return others.some((one) => one.about === finding.about && one.why === finding.why);
}

function unknown(about: string, why: string): Finding {
  return { weight: "unknown", about, why };
}

function orderDoubt({ title }: PygrubTraits, newest: BootCheck, other: BootCheck): Finding {
  const word = ({ boots, verdict }: BootCheck) =>
    boots ? `${boots.kernel} by ${boots.config} of ${boots.volume} (${verdict})` : verdict;
  return {
    weight: "unknown",
    about: "boot menus",
    why: `which one ${title} uses is unknown; GRUB 2's menus first: ${word(newest)}; the active partition and old menus first: ${word(other)}`,
    remedy: "remove the wrong menus",
  };
}

async function checkBy(boot: BootDisk, traits: PygrubTraits, order: MenuOrder): Promise<BootCheck> {
  await using found = await pygrubOf(boot, traits, order);
  const { choice, unknown: unread } = found;
  // A volume that tbuild could not read comes before the one that pygrub uses.
  const findings: Finding[] = unread.map((text) => ({ weight: "unknown", ...split(text) }));
  if (!choice) return notBooting(found, findings, traits);
  findings.push(...(await findingsOf(choice, boot, traits)));
  const { volume, config, kernel, initrd, args } = choice;
  const isThere =
    unread.length === 0 &&
    (await isFoundBy(choice.files, kernel)) &&
    (initrd === undefined || (await isFoundBy(choice.files, initrd)));
  return {
    verdict: verdictOf(findings),
    ...(isThere && {
      boots: { volume: volume.name, config, kernel, ...(initrd !== undefined && { initrd }), args },
    }),
    findings,
  };
}

function notBooting(
  { refused, unknown: unread }: Pygrub,
  findings: Finding[],
  { title }: PygrubTraits,
): BootCheck {
  for (const text of refused) findings.push({ weight: "unfit", ...split(text), remedy: noMenu });
  if (findings.length === 0)
    findings.push({
      weight: "unfit",
      about: "disk",
      why: `has no partition that ${title} reads`,
      remedy: noMenu,
    });
  return { verdict: unread.length > 0 ? "unknown" : "unfit", findings };
}

function split(text: string): { about: string; why: string } {
  const at = text.indexOf(": ");
  return { about: text.slice(0, at), why: text.slice(at + 2) };
}

async function findingsOf(choice: PygrubChoice, boot: BootDisk, traits: PygrubTraits): Promise<Finding[]> {
  const { volume, files, config, title, kernel, initrd, args, passedOver, features, isFirst } = choice;
  const found: Finding[] = [];
  const where = `${volume.name}:${config}`;
  if (
    traits.isEmulated &&
    passedOver.some((path) => /menu\.lst$|grub\.conf$/.test(path)) &&
    config.endsWith("grub.cfg")
  )
    found.push({
      weight: "remark",
      about: where,
      why: `pygrub of Xen 4.17 prefers it to ${passedOver.join(", ")}; that of Oracle VM may not`,
      remedy: "remove the wrong menus",
    });
  if (!traits.isEmulated && !isFirst)
    found.push(
      unknown(volume.name, `is not the first volume, and whether ${traits.title} looks further is unknown`),
    );
  for (const feature of features.filter((one) => traits.doubtfulFeatures.includes(one)))
    found.push({
      ...unknown(volume.name, `is ext4 with ${feature}, and whether ${traits.title} reads that is unknown`),
      remedy: `make the file system again with mkfs.ext4 -O ^64bit,^metadata_csum`,
    });
  const twice = [kernel, initrd].find((path) => path?.includes("//"));
  if (twice !== undefined)
    found.push({
      weight: "unfit",
      about: where,
      why: `its entry "${title}" names ${twice}, and pygrub does not follow two slashes in a row`,
      remedy: `write ${twice.replaceAll(/\/+/g, "/")} into the menu`,
    });
  if (!(await existsIn(files, kernel))) return [...found, await goneKernel(choice, where)];
  const facts = await orReason(files.read(kernel.startsWith("/") ? kernel : `/${kernel}`));
  const read: KernelFacts =
    "why" in facts ? { why: facts.why } : await kernelFacts(facts.value ?? new Uint8Array());
  const version = read.version ?? /vmlinu[xz]-(.+)$/.exec(kernel)?.[1] ?? "";
  const booted: BootedKernel = { files, kernel, version, args, ...(initrd !== undefined && { initrd }) };
  found.push(...kernelFindings(kernel, version, read, await configOf(booted), traits));
  let alone: string | undefined;
  if (initrd !== undefined && !(await existsIn(files, initrd)))
    found.push({
      weight: "unfit",
      about: where,
      why: `its entry "${title}" names the initramfs ${initrd}, which is missing`,
      remedy: "in the guest: dracut --force",
    });
  else {
    const known = await driversOf(booted);
    found.push(...missingDrivers(booted, known, [[drivers.xenDisk]], "pvm"));
    alone = known.alone;
  }
  const root = rootFinding(args, boot.layout.volumes, "pvm") ?? rootAlone(args, alone);
  if (root) found.push({ about: where, ...root });
  const silent = consoleRemark(args);
  if (silent !== undefined)
    found.push({ weight: "remark", about: where, why: silent, remedy: conversion("pvm") });
  return found;
}

async function goneKernel({ files, kernel, title }: PygrubChoice, about: string): Promise<Finding> {
  const elsewhere = kernel.startsWith("/boot/") ? kernel.slice("/boot".length) : `/boot${kernel}`;
  const isSplit = await existsIn(files, elsewhere);
  return {
    weight: "unfit",
    about,
    why: `its entry "${title}" names the kernel ${kernel}, which is not on that file system${isSplit ? `; ${elsewhere} is` : ""}`,
    remedy: isSplit
      ? `write ${elsewhere} into the menu: paths are relative to the file system with the kernel`
      : conversion("pvm"),
  };
}

/** Under PV, user space writes to the last console on the command line (measured on Xen 4.17). */
function consoleRemark(args: string): string | undefined {
  const last = args
    .split(/\s+/)
    .findLast((one) => one.startsWith("console="))
    ?.slice("console=".length)
    .replace(/,.*/, "");
  if (last === undefined || /^(?:hvc|xvc)\d/.test(last)) return undefined;
  return `its last console is ${last}: services and the login write nothing to the Xen console`;
}

function kernelFindings(
  kernel: string,
  version: string,
  { isParavirtual, compression, why: unread }: KernelFacts,
  config: string | undefined,
  traits: PygrubTraits,
): Finding[] {
  const none = { about: kernel, remedy: "install a kernel with PV: kernel-uek, or kernel-xen on release 5" };
  const packed: Finding[] =
    compression === undefined || traits.kernels.includes(compression)
      ? []
      : [
          unknown(
            kernel,
            `is compressed with ${compression}, and whether ${traits.title} unpacks that is unknown`,
          ),
        ];
  if (isParavirtual === true) return packed;
  if (isParavirtual === false)
    return [{ weight: "unfit", why: "has no entry point for a paravirtual domain", ...none }];
  const configured = isConfigured(config, version);
  if (configured === false) return [{ weight: "unfit", why: "was configured without PV", ...none }];
  if (configured === true || /xen$/.test(version)) return packed;
  const why = `${unread ?? "could not be read"}, and there is no configuration beside it, so whether it has PV is unknown`;
  return [...packed, unknown(kernel, why)];
}

function isConfigured(config: string | undefined, version: string): boolean | undefined {
  if (config === undefined) return undefined;
  const lines = config.split("\n");
  if (lines.includes("CONFIG_XEN_PV=y")) return true;
  const hasXen = lines.includes("CONFIG_XEN=y");
  // Before 4.12 no option selected PV alone.
  if (hasXen && !config.includes("CONFIG_XEN_PV") && isBefore(version, 4, 12)) return true;
  return /^# CONFIG_XEN(?:_PV)? is not set$/m.test(config) || !hasXen ? false : undefined;
}

function isBefore(version: string, major: number, minor: number): boolean {
  const [one = 0, other = 0] = version.split(".").map(Number);
  return one < major || (one === major && other < minor);
}
