import { TbuildError } from "../errors.ts";
import { parseHeader } from "../firstboot/module-header.ts";
import type { Volume } from "../image/access.ts";
import type { GuestTree } from "../image/tree.ts";
import { buildOperations } from "./convert/index.ts";
import { type Kernel, kernelsOf } from "./convert/kernels.ts";
import type { BootCheck } from "./fitness/finding.ts";
import { type Identity, readIdentity } from "./identity.ts";
import { loaderEntryFiles } from "./loader-entries.ts";
import { auditAll, type Operation } from "./operation.ts";
import type { Passport } from "./passport.ts";
import type { Release } from "./release.ts";
import { readRpmDatabase } from "./rpm/database.ts";
import type { Package } from "./rpm/header.ts";
import { Asking, type Survey } from "./survey.ts";

/** All facts in a guest's files. None of its programs is run. */
export interface Inspection {
  readonly release?: Release;
  readonly kernels: readonly (Kernel & { readonly hasInitramfs: boolean })[];
  readonly bootLoader?: BootLoader;
  /** The domain types that it is fit for, or what it lacks, in one line. */
  readonly fitness?: string;
  readonly additions: readonly string[];
  readonly modules: readonly string[];
  /** What is missing for the next boot to configure it; empty for an armed guest. */
  readonly toArm?: readonly string[];
  readonly identity: Identity;
  readonly passport?: Passport;
  readonly packages?: readonly Package[];
  /** What could not be determined, and why. */
  readonly unknown: readonly string[];
}

export interface BootLoader {
  readonly kind: "GRUB legacy" | "GRUB 2" | "GRUB 2 with BLS";
  readonly file: string;
  readonly entries: readonly string[];
}

/** `pv` says whether the disk boots as a paravirtual domain. Without it, this is unknown and is not mentioned. */
export async function inspectGuest(survey: Survey, pv?: BootCheck): Promise<Inspection> {
  const { tree, volumes } = survey;
  const asking = new Asking();
  const { unknown } = asking;
  const ask: Asking["ask"] = (what, question) => asking.ask(what, question);
  const release = await ask("release", () => survey.release());
  const packages = (await ask("packages", () => readRpmDatabase(tree)))?.packages;
  if (packages === undefined && !unknown.some((one) => one.startsWith("packages")))
    unknown.push("packages: there is no rpm database");
  const toArm = release && (await ask("first boot", () => survey.toArm()));
  const fitness = release && (await ask("fitness", () => fitnessOf(tree, release, volumes, pv)));
  const bootLoader = await ask("boot loader", () => readBootLoader(tree));
  const passport = await ask("passport", () => survey.passport());
  return {
    ...(release && { release }),
    kernels: (await ask("kernels", () => kernelsWithInitramfs(tree))) ?? [],
    ...(bootLoader && { bootLoader }),
    ...(fitness !== undefined && { fitness }),
    additions: (await ask("additions", () => additionsOf(tree, packages))) ?? [],
    modules: (await ask("modules", () => modulesOf(survey))) ?? [],
    ...(toArm && { toArm }),
    identity: (await ask("identity", () => readIdentity(tree))) ?? nobody,
    ...(passport && { passport }),
    ...(packages && { packages }),
    unknown,
  };
}

const nobody: Identity = {
  hostname: undefined,
  addresses: [],
  hostKeys: [],
  machineId: undefined,
  macs: [],
  randomSeed: undefined,
  iscsiInitiator: undefined,
};

async function kernelsWithInitramfs(tree: GuestTree) {
  const found: (Kernel & { hasInitramfs: boolean })[] = [];
  for (const kernel of await kernelsOf(tree))
    found.push({ ...kernel, hasInitramfs: (await tree.stat(kernel.initramfs)) !== undefined });
  return found;
}

async function fitnessOf(
  tree: GuestTree,
  release: Release,
  volumes: readonly Volume[],
  pv: BootCheck | undefined,
): Promise<string> {
  const lacks = async (mode: "pvhvm" | "pvm") => {
    const names: string[] = [];
    for (const operation of buildOperations(mode, release, volumes))
      if (await isLacking(tree, operation)) names.push(operation.name);
    return names;
  };
  const drivers = await lacks("pvhvm");
  const hvm = drivers.length === 0 ? "HVM with PV drivers" : `HVM (PV drivers need ${drivers.join(", ")})`;
  // Oracle Linux 7 and later have no PVM, and Oracle VM 3.4.6 makes no PVM guests at all.
  if (release.major >= 7) return `${hvm}; no PVM`;
  const paravirtual = (await lacks("pvm")).filter((name) => !drivers.includes(name));
  if (drivers.length + paravirtual.length === 0) return `${hvm}; ${pvmWords(pv)}`;
  return `${hvm}; PVM needs ${[...drivers, ...paravirtual].join(", ")}`;
}

/** An operation that cannot be done, such as choosing a kernel when there is none, counts as missing. */
async function isLacking(tree: GuestTree, operation: Operation): Promise<boolean> {
  try {
    return (await auditAll(tree, [operation])).length > 0;
  } catch (error) {
    if (error instanceof TbuildError && error.fault === "guest") return true;
    throw error;
  }
}

/** PVM is claimed only if pygrub boots it and its kernel is known to support PV. */
function pvmWords(pv: BootCheck | undefined): string {
  if (pv?.verdict === "fit") return "PVM";
  const reasons = (pv?.findings ?? []).filter(({ weight }) => weight === pv?.verdict);
  const why = reasons.map(({ about, why: said }) => `${about}: ${said}`).join("; ");
  if (pv?.verdict === "unfit") return `no PVM: ${why}`;
  return `PVM is unknown${why === "" ? "" : `: ${why}`}`;
}

async function readBootLoader(tree: GuestTree): Promise<BootLoader | undefined> {
  const entries = await loaderEntryFiles(tree);
  const [modern] = await present(tree, [
    "/boot/grub2/grub.cfg",
    ...(await tree.glob("/boot/efi/EFI/*/grub.cfg")),
  ]);
  if (entries.length > 0)
    return {
      kind: "GRUB 2 with BLS",
      file: modern ?? "/boot/loader/entries",
      entries: await Promise.all(
        entries.map(async (path) => /^title\s+(.*)$/m.exec((await tree.text(path)) ?? "")?.[1] ?? path),
      ),
    };
  if (modern !== undefined)
    return withTitles(tree, "GRUB 2", modern, /^\s*menuentry\s+(?:'([^']*)'|"([^"]*)")/gm);
  const [legacy] = await present(tree, ["/boot/grub/grub.conf", "/boot/grub/menu.lst"]);
  return legacy === undefined ? undefined : withTitles(tree, "GRUB legacy", legacy, /^\s*title\s+(.*)$/gm);
}

async function withTitles(
  tree: GuestTree,
  kind: BootLoader["kind"],
  file: string,
  title: RegExp,
): Promise<BootLoader> {
  const text = (await tree.text(file)) ?? "";
  return {
    kind,
    file,
    entries: [...text.matchAll(title)].map(([, one, other]) => (one ?? other ?? "").trim()),
  };
}

async function present(tree: GuestTree, paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) if ((await tree.stat(path))?.kind === "file") found.push(path);
  return found;
}

// By their packages or, if those cannot be read, by their programs.
async function additionsOf(tree: GuestTree, packages: readonly Package[] | undefined): Promise<string[]> {
  const names =
    /^(?:ovmd|libovmapi|xenstoreprovider|ovm-template-config(?:-.+)?|python-simplejson|kmod-ovmapi)$/;
  if (packages)
    return packages
      .filter(({ name }) => names.test(name))
      .map(({ name, version, release }) => `${name}-${version}-${release}`);
  const programs = await present(tree, [
    "/usr/sbin/ovmd",
    "/usr/sbin/ovm-template-config",
    "/usr/sbin/ovm-chkconfig",
  ]);
  return programs.map((path) => path.slice(path.lastIndexOf("/") + 1));
}

async function modulesOf(survey: Survey): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of await survey.scripts()) {
    const text = new TextDecoder().decode(await survey.script(name));
    if (parseHeader(text).name !== undefined) found.push(name);
  }
  return found;
}

/** The release in short: "Oracle Linux 6.10". */
export function releaseInShort({ name, major, update }: Release): string {
  const maker = /^(.*?)(?: Server)?(?: Linux)? release/.exec(name)?.[1] ?? "Enterprise";
  return `${maker.replace(/ Linux$/, "")} Linux ${major}.${update}`;
}
