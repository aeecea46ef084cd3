import { stat } from "node:fs/promises";
import { join } from "node:path";
import { modeOf } from "../choices.ts";
import { commandLineIdentities } from "../guest/leftovers/command-line.ts";
import { sealParts } from "../guest/seal/index.ts";
import { namesIn } from "../io/durable.ts";
import { amount } from "../io/units.ts";
import { contradictions } from "./contradictions.ts";
import { lastUpdate } from "./discs.ts";
import { fileSystems } from "./file-systems.ts";
import { suggestion } from "./findings.ts";
import { isKeyboard, keyboardsOf } from "./keyboards.ts";
import type { Rule } from "./load.ts";
import { faultOfLang } from "./locales.ts";
import { neededService } from "./needed-services.ts";
import { majorOf } from "./recipe.ts";
import { mediumFolder, uekRepository } from "./repositories.ts";
import { mbrMib, startMib, startPartition } from "./start-partition.ts";
import { isTimezone, timezones } from "./timezones.ts";

/** Checks that the schema cannot express. All run, and their findings are reported together. */
export const rules: readonly Rule[] = [
  sealOperations,
  additionsRepository,
  timezone,
  language,
  listsAgree,
  modulesExist,
  sourcesExist,
  update,
  paravirtual,
  conversions,
  bundlesFit,
  kernelArgumentsFit,
  firmware,
  layout,
  layoutParts,
  layoutFileSystems,
  repositories,
  ports,
  servicesStay,
  furtherDisks,
  packageNames,
  kernelRepository,
  accounts,
  startsFrom,
];

function sealOperations(...[recipe, { problem }]: Parameters<Rule>): void {
  const known = sealParts.map((operation) => operation.name);
  for (const [i, name] of (recipe.seal?.skip ?? []).entries())
    if (!known.includes(name))
      problem(["seal", "skip", i], `no operation is named "${name}"${suggestion(name, known)}`);
}

function startsFrom(...[{ from, provision, machine }, { problem }]: Parameters<Rule>): void {
  if (from === undefined) return;
  if (provision === "post")
    problem(["provision"], "the installer runs post, but a recipe with `from` installs nothing; use ssh");
  if (machine?.firmware === "uefi")
    problem(["from"], "starts from templates that a BIOS boots, but machine.firmware is uefi");
}

function additionsRepository(...[recipe, { problem, standing }]: Parameters<Rule>): void {
  if (recipe.firstBoot?.detect === "mac") return;
  if (recipe.firstBoot && !recipe.additions && standing(["additions"]) === "")
    problem(
      ["additions"],
      "is missing; name the repository and the packages of the guest additions, or set firstBoot.detect to mac, which needs none",
    );
  const ids = recipe.repositories?.map((repository) => repository.id);
  if (ids && recipe.additions && !ids.includes(recipe.additions.repository))
    problem(
      ["additions", "repository"],
      `there is no repository "${recipe.additions.repository}"${suggestion(recipe.additions.repository, ids)}`,
    );
}

function timezone(...[{ timezone }, { problem }]: Parameters<Rule>): void {
  if (timezone !== undefined && !isTimezone(timezone))
    problem(["timezone"], `there is no time zone "${timezone}"${suggestion(timezone, timezones)}`);
}

function language(...[{ lang, keyboard, release }, { problem }]: Parameters<Rule>): void {
  const fault = lang === undefined ? undefined : faultOfLang(lang);
  if (fault !== undefined) problem(["lang"], fault);
  if (keyboard !== undefined && release && !isKeyboard(keyboard, majorOf(release)))
    problem(
      ["keyboard"],
      `${release} has no keyboard "${keyboard}"${suggestion(keyboard, keyboardsOf(majorOf(release)))}`,
    );
}

function listsAgree(...[recipe, { problem, standing, fileOf }]: Parameters<Rule>): void {
  for (const { path, text, against } of contradictions(recipe, fileOf))
    problem(path, against === undefined ? text : `${text}${standing(against)}`);
}

async function modulesExist(...[recipe, { problem, moduleFolders }]: Parameters<Rule>): Promise<void> {
  const listed = moduleFolders.map((folder) => namesIn(folder));
  const names = (await Promise.all(listed)).flat();
  for (const [i, name] of (recipe.modules ?? []).entries())
    if (!names.includes(name)) problem(["modules", i], `no folder modules/${name}${suggestion(name, names)}`);
    else if (recipe.modules?.indexOf(name) !== i) problem(["modules", i], `${name} is listed twice`);
}

async function sourcesExist(...[recipe, { problem, folder }]: Parameters<Rule>): Promise<void> {
  for (const kind of ["files", "scripts"] as const)
    for (const [i, one] of (recipe[kind] ?? []).entries())
      if (one.from !== undefined && !(await stat(join(folder, one.from)).catch(() => undefined))?.isFile())
        problem([kind, i, "from"], `no file ${join(folder, one.from)}`);
}

function update(...[recipe, { problem }]: Parameters<Rule>): void {
  if (!recipe.release || recipe.update === undefined) return;
  const last = lastUpdate[recipe.release];
  if (recipe.update > last)
    problem(["update"], `there is no ${recipe.release}.${recipe.update}; the last update is ${last}`);
  const [, major, update] = /-R(\d+)-U(\d+)-/.exec(recipe.iso?.file ?? "") ?? [];
  if (major !== undefined && (`ol${major}` !== recipe.release || Number(update) !== recipe.update))
    problem(
      ["iso", "file"],
      `is the disc of ol${major}.${update}, but the recipe is for ${recipe.release}.${recipe.update}`,
    );
}

function paravirtual(...[recipe, { problem }]: Parameters<Rule>): void {
  if (recipe.domainType !== "XEN_PVM" || !recipe.release) return;
  const use = "use XEN_HVM_PV_DRIVERS";
  // Oracle's own image tools build OL7 and later as PVHVM only.
  if (majorOf(recipe.release) >= 7)
    problem(["domainType"], `${recipe.release} cannot run as XEN_PVM; ${use}`);
  if (recipe.target === "kvm") problem(["domainType"], `KVM cannot run XEN_PVM; ${use}`);
  if (noPvm(recipe.target))
    problem(
      ["domainType"],
      `Oracle VM has no XEN_PVM from 3.4.6 on, but the target is ${recipe.target}; ${use}`,
    );
  // Red Hat's kernel of EL5 is for real hardware; kernel-xen is the one for PV.
  if (recipe.release === "ol5" && recipe.kernel === "rhck" && !recipe.packages?.base.includes("kernel-xen"))
    problem(
      ["kernel"],
      "rhck of ol5 runs as XEN_PVM only with kernel-xen in packages.base; add it, or use uek",
    );
  const boot = recipe.layout?.findIndex((part) => part.mount === "/boot") ?? -1;
  const part = recipe.layout?.[boot];
  if (recipe.layout && !part)
    problem(["layout"], "XEN_PVM boots by pygrub, which needs a separate /boot on ext3");
  if (part && part.fs !== "ext3")
    problem(["layout", boot, "fs"], `pygrub may not be able to read /boot on ${part.fs}; use ext3`);
}

/** Each is a separate template, with the same limits as a domain type. */
function conversions(...[recipe, context]: Parameters<Rule>): void {
  const own = recipe.domainType && modeOf[recipe.domainType];
  for (const [i, { to, bundles }] of (recipe.convert ?? []).entries()) {
    const problem = (text: string) => context.problem(["convert", i, "to"], text);
    if (to === own) problem(`is ${to}, which domainType already makes the template; leave this out`);
    if (recipe.convert?.findIndex((one) => one.to === to) !== i) problem(`repeats ${to}`);
    if (to === "pvm")
      paravirtual(
        { ...recipe, domainType: "XEN_PVM" },
        { ...context, problem: (_path, text) => problem(text) },
      );
    if (to === "pvm" && recipe.machine?.firmware === "uefi") problem("is pvm, which has no firmware");
    for (const [n, format] of bundles.entries())
      if (to === "kvm" && forXen.includes(format))
        context.problem(["convert", i, "bundles", n], `${format} is for Xen; use one for KVM, such as qcow2`);
  }
}

const forXen: readonly string[] = ["ovm-tgz", "ova", "xl", "xva"];

function bundlesFit(...[{ target, bundles }, { problem, standing }]: Parameters<Rule>): void {
  for (const [i, format] of (bundles ?? []).entries()) {
    if (target === "kvm" && forXen.includes(format))
      problem(
        ["bundles", i],
        `${format} is for Xen, but the target is kvm; use one for KVM, such as qcow2${standing(["target"])}`,
      );
    if (bundles?.indexOf(format) !== i) problem(["bundles", i], `${format} is listed twice`);
  }
}

/** tbuild finds the root by the layout. A guest with another root or init would not boot. */
function kernelArgumentsFit(...[{ kernelArguments }, { problem }]: Parameters<Rule>): void {
  for (const [i, word] of (kernelArguments ?? []).entries()) {
    const key = word.split("=")[0] ?? "";
    if (["root", "init", "rdinit"].includes(key) && word.includes("="))
      problem(["kernelArguments", i], `${word} would start another system than the installed one`);
    if (/^(?:[Ss1]|single|emergency|rescue|systemd\.unit=.*)$/.test(word))
      problem(
        ["kernelArguments", i],
        `${word} would start a shell for repairs or another target, not the services of the template`,
      );
    for (const { what } of commandLineIdentities(word))
      problem(
        ["kernelArguments", i],
        `${word} sets ${what.replace(/ \(.*/, "")}, which all clones would share`,
      );
  }
}

function firmware(...[recipe, { problem }]: Parameters<Rule>): void {
  if (recipe.machine?.firmware !== "uefi") return;
  const path = ["machine", "firmware"];
  if (recipe.release && majorOf(recipe.release) <= 6)
    problem(
      path,
      `UEFI cannot start the installer of ${recipe.release} here: its kernel has no EFI stub; use bios, or ol7 and later`,
    );
  if (recipe.domainType === "XEN_PVM")
    problem(path, "XEN_PVM starts its kernel without firmware; use XEN_HVM or XEN_HVM_PV_DRIVERS");
  if (recipe.target?.startsWith("ovm"))
    problem(path, `Oracle VM has BIOS guests only, but the target is ${recipe.target}; use bios`);
  for (const [i, format] of (recipe.bundles ?? []).entries())
    if (format === "ovm-tgz" || format === "ova")
      problem(
        ["bundles", i],
        `${format} is for Oracle VM, which has BIOS guests only; with UEFI, use bundles: [qcow2]`,
      );
  for (const [i, part] of (recipe.layout ?? []).entries())
    if (part.mount === "/boot/efi")
      problem(["layout", i, "mount"], "tbuild makes the EFI system partition itself; leave this out");
}

function layout(...[recipe, { problem }]: Parameters<Rule>): void {
  const { layout, machine } = recipe;
  if (!layout || !machine) return;
  if (!layout.some((part) => part.mount === "/")) problem(["layout"], "has no / partition");
  const primary = layout.filter((part) => part.volume === undefined).length;
  const count = primary + (primary < layout.length ? 1 : 0);
  const start = recipe.release && startPartition({ release: recipe.release, machine });
  if (machine.disk > mbrMib && recipe.release && majorOf(recipe.release) <= 6)
    problem(
      ["machine", "disk"],
      `is larger than 2 TiB, but ${recipe.release} starts from an MBR disk only, which has at most 2 TiB; put the rest on \`disks\``,
    );
  if (count > 14 && start === undefined)
    problem(["layout"], `has ${amount(count, "partition")}; an MBR disk has room for 14`);
  const need = layout.reduce((sum, part) => sum + part.size, start === undefined ? 0 : startMib[start]);
  if (need >= machine.disk) problem(["layout"], `needs ${need} MiB, but the disk has ${machine.disk} MiB`);
  // Boot loaders read plain partitions only.
  const root = layout.findIndex((part) => part.mount === "/");
  const booted = layout.some((part) => part.mount === "/boot");
  if (root >= 0 && !booted && (layout[root]?.volume !== undefined || layout[root]?.fs === "btrfs"))
    problem(["layout", root], "the boot loader cannot read it; add a plain /boot");
}

function layoutParts(...[{ layout = [] }, { problem }]: Parameters<Rule>): void {
  for (const [i, part] of layout.entries()) {
    if (part.fs === "ext3" && part.size > 16 * 1024 * 1024)
      problem(["layout", i, "size"], "ext3 has 16 TiB at most; use ext4 or xfs");
    if ((part.mount === "swap") !== (part.fs === "swap"))
      problem(["layout", i, "fs"], `${part.mount} on ${part.fs}`);
    if (part.mount !== "swap" && layout.slice(0, i).some((other) => other.mount === part.mount))
      problem(["layout", i, "mount"], `${part.mount} is listed twice`);
    if (inRoot.test(part.mount))
      problem(["layout", i, "mount"], `${part.mount} must be on the file system of /; leave this out`);
    if (part.options !== undefined && ["swap", "btrfs"].includes(part.fs))
      problem(["layout", i, "options"], `installers accept no mount options for ${part.fs}`);
    if (part.volume === undefined) continue;
    if (layout.slice(0, i).some((other) => other.volume === part.volume))
      problem(["layout", i, "volume"], `"${part.volume}" is listed twice`);
    if (part.mount === "/boot") problem(["layout", i, "volume"], "/boot must be a plain partition");
    if (part.fs === "btrfs")
      problem(["layout", i, "fs"], "btrfs cannot be on a logical volume; remove `volume`");
  }
}

// Folders that init needs before it mounts anything, links in /, and folders that the kernel makes. Anaconda
// refuses most of these.
const inRoot = /^\/(?:(?:bin|sbin|lib|lib64|etc|root|mnt)$|(?:dev|proc|sys|run)(?:\/|$))/;

function layoutFileSystems(...[recipe, { problem }]: Parameters<Rule>): void {
  if (!recipe.release) return;
  const possible = fileSystems[recipe.release];
  for (const [i, part] of (recipe.layout ?? []).entries()) {
    if (!possible.includes(part.fs))
      problem(["layout", i, "fs"], `${recipe.release} cannot be installed on ${part.fs}`);
    else if (part.mount === "/boot" && part.fs === "btrfs")
      problem(["layout", i, "fs"], "/boot must be on ext3, ext4 or xfs");
  }
}

function repositories(...[recipe, { problem }]: Parameters<Rule>): void {
  for (const [i, repository] of (recipe.repositories ?? []).entries()) {
    if ((recipe.repositories ?? []).slice(0, i).some((other) => other.id === repository.id))
      problem(["repositories", i, "id"], `"${repository.id}" is listed twice`);
    if (repository.proxy !== undefined && recipe.provision === "post" && recipe.release === "ol5")
      problem(["repositories", i, "proxy"], "OL5's installer has no proxies; use provision: ssh");
  }
  for (const [i, repository] of (recipe.repositories ?? []).entries())
    if (mediumFolder(repository.url) !== undefined && recipe.provision !== "post")
      problem(["repositories", i, "url"], "only the installer can read the medium; use provision: post");
}

function ports(...[recipe, { problem }]: Parameters<Rule>): void {
  for (const [i, port] of (recipe.ports ?? []).entries()) {
    const [from = 0, to = from] = port.split(":")[0]?.split("-").map(Number) ?? [];
    if (from < 1 || from > 65535 || to > 65535)
      problem(["ports", i], `${port} is not a port; ports are 1 to 65535`);
    else if (to < from) problem(["ports", i], `${port} ends before it begins`);
    else if (to > from && recipe.release === "ol5")
      problem(["ports", i], "OL5's installer accepts single ports only; list each");
  }
  if ((recipe.ports?.length ?? 0) > 0 && recipe.firewall === false)
    problem(["ports"], "the firewall is off, so there are no ports to open");
}

function servicesStay(...[recipe, { problem }]: Parameters<Rule>): void {
  for (const [i, name] of (recipe.services?.disable ?? []).entries())
    if (recipe.release && neededService(name, recipe.release))
      problem(["services", "disable", i], `without ${name} no one can log in, not even tbuild`);
}

function furtherDisks(...[recipe, { problem }]: Parameters<Rule>): void {
  const taken = new Set((recipe.layout ?? []).map((part) => part.mount));
  for (const [i, disk] of (recipe.disks ?? []).entries()) {
    if (disk.fs === undefined || disk.mount === undefined) continue;
    if (recipe.release && !fileSystems[recipe.release].includes(disk.fs))
      problem(["disks", i, "fs"], `${recipe.release} cannot mount ${disk.fs}`);
    if (inRoot.test(disk.mount) || installed.test(disk.mount))
      problem(
        ["disks", i, "mount"],
        `the installer fills ${disk.mount}, and further disks are attached later; put it in layout`,
      );
    if (taken.has(disk.mount)) problem(["disks", i, "mount"], `${disk.mount} is listed twice`);
    taken.add(disk.mount);
    if (recipe.provision === "post")
      problem(["disks", i, "mount"], "the installer does not see further disks; use provision: ssh");
  }
}

const installed = /^\/(?:usr|boot|var|var\/lib|var\/lib\/rpm)$/;

function packageNames(...[recipe, { problem }]: Parameters<Rule>): void {
  const { release, packages } = recipe;
  if (!release || !packages) return;
  for (const list of ["base", "install"] as const)
    for (const [i, name] of packages[list].entries()) {
      if (name.startsWith("@^") && majorOf(release) <= 6)
        problem(["packages", list, i], `${release} has groups, but no environments such as ${name}`);
      if (name.includes("'") && release === "ol5" && list === "base")
        problem(["packages", list, i], `ol5's installer does not accept ' in a name`);
      if (/^@[^:]+:/.test(name) && majorOf(release) <= 7)
        problem(["packages", list, i], `${release} has no modules such as ${name}`);
    }
}

function kernelRepository(...[recipe, { problem }]: Parameters<Rule>): void {
  if (!recipe.release || !recipe.kernel) return;
  const id = uekRepository({ release: recipe.release, kernel: recipe.kernel });
  const ids = recipe.repositories?.map((repository) => repository.id);
  if (id !== undefined && ids && !ids.includes(id))
    problem(["kernel"], `${recipe.kernel} comes from the repository ${id}, which is not in the recipe`);
}

function accounts(...[recipe, { problem }]: Parameters<Rule>): void {
  for (const [list, key] of [
    ["groups", "gid"],
    ["users", "uid"],
  ] as const)
    for (const [i, one] of (recipe[list] ?? []).entries()) {
      const earlier = (recipe[list] ?? []).slice(0, i) as readonly { name: string }[];
      if (earlier.some((other) => other.name === one.name))
        problem([list, i, "name"], `"${one.name}" is listed twice`);
      if (list === "users" && one.name === "root")
        problem([list, i, "name"], "root exists in every guest; leave it out");
      const id = (one as unknown as Record<string, number>)[key];
      if (
        (recipe[list] ?? [])
          .slice(0, i)
          .some((other) => (other as unknown as Record<string, number>)[key] === id)
      )
        problem([list, i, key], `${id} is listed twice`);
    }
}

/** Oracle VM 3.4.6 and later. */
function noPvm(target: string | undefined): boolean {
  const [, minor, patch] = /^ovm-3\.(\d+)(?:\.(\d+))?$/.exec(target ?? "") ?? [];
  return minor !== undefined && (Number(minor) > 4 || (Number(minor) === 4 && Number(patch ?? 0) >= 6));
}
