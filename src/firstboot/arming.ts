import { TbuildError } from "../errors.ts";
import type { Operation } from "../guest/operation.ts";
import { type Release, readRelease, releases } from "../guest/release.ts";
import type { GuestTree } from "../image/tree.ts";
import { afterBootFolder } from "./after-boot.ts";
import { clonePending, cloneProgram, cloneRecord, cloneServices, sealedRecord } from "./clone-files.ts";

/** Files by which modules made from module.yaml remember that they configured this clone. Arming removes them. */
export const doneFolder = "/var/lib/tbuild/modules";

/** Arms the guest: the next boot configures it. */
export const firstBoot: Operation = {
  name: "first-boot",
  summary: "Arm first-boot configuration",
  needs: "files",
  async pending(tree) {
    const release = await readRelease(tree);
    const lacking = await missingAdditions(tree, release);
    if (lacking) return [lacking];
    const files = [];
    for (const flag of await flags(tree, release))
      if (!isSet((await tree.text(flag.file)) ?? "", flag)) files.push(flag.file);
    return [
      ...files,
      ...(await clonePart(tree)),
      ...(await startLinks(tree, release)).map(({ path }) => path),
      ...(await modulesState(tree)),
    ];
  },
  async apply(tree) {
    const release = await readRelease(tree);
    const lacking = await missingAdditions(tree, release);
    if (lacking)
      throw new TbuildError("guest", `first-boot: ${lacking}`, {
        hint: "Install ovmd, libovmapi, xenstoreprovider and ovm-template-config; or add clone detection by MAC address with --detect mac (in a recipe: firstBoot.detect: mac); or skip the operation `first-boot`.",
      });
    for (const flag of await flags(tree, release))
      await tree.write(flag.file, withFlag((await tree.text(flag.file)) ?? "", flag));
    if (await detectsClones(tree)) {
      if ((await tree.text(cloneRecord)) !== `${sealedRecord}\n`)
        await tree.write(cloneRecord, `${sealedRecord}\n`);
      if (await tree.stat(clonePending)) await tree.remove(clonePending);
    }
    for (const { path, target } of await startLinks(tree, release)) await tree.link(path, target);
    for (const path of await modulesState(tree)) await tree.remove(path);
  },
};

/** Data of modules about this machine as a clone: that they configured it, and waiting values. */
async function modulesState(tree: GuestTree): Promise<string[]> {
  return [...(await tree.glob(`${doneFolder}/*`)), ...(await tree.glob(`${afterBootFolder}/*`))];
}

/** Whether the next boot will configure the guest. */
export async function isArmed(tree: GuestTree): Promise<boolean> {
  return (await firstBoot.pending(tree)).length === 0;
}

/** Removes the flags: the next boot configures nothing. */
export async function disarm(tree: GuestTree): Promise<void> {
  for (const flag of await flags(tree, await readRelease(tree))) {
    const off = { ...flag, value: flag.value === "YES" ? "NO" : "no" };
    await tree.write(flag.file, withFlag((await tree.text(flag.file)) ?? "", off));
  }
}

interface Flag {
  readonly file: string;
  readonly key: string;
  readonly value: string;
}

async function detectsClones(tree: GuestTree): Promise<boolean> {
  return (await tree.stat(cloneProgram))?.kind === "file";
}

// With the record of a machine that ran, clones would count as copies of that machine. Without a record, they
// would count as the machine itself. So a sealed template has a special record.
async function clonePart(tree: GuestTree): Promise<string[]> {
  if (!(await detectsClones(tree))) return [];
  const isSealed = (await tree.text(cloneRecord)) === `${sealedRecord}\n`;
  return [...(isSealed ? [] : [cloneRecord]), ...((await tree.stat(clonePending)) ? [clonePending] : [])];
}

// Oracle's older templates for OL5 have their own mechanism, with or without the additions.
const olderTemplate = "/etc/sysconfig/oraclevm-template";

async function flags(tree: GuestTree, release: Release): Promise<Flag[]> {
  const found: Flag[] = [];
  if (await hasAdditions(tree, release))
    found.push({ file: releases[release.major].armingFile, key: "INITIAL_CONFIG", value: "yes" });
  const key = await olderKey(tree);
  if (key !== undefined) found.push({ file: olderTemplate, key, value: "YES" });
  return found;
}

async function olderKey(tree: GuestTree): Promise<string | undefined> {
  return /^(RUN_TEMPLATE_CONF(?:IG)?)=/m.exec((await tree.text(olderTemplate)) ?? "")?.[1];
}

function isSet(text: string, { key, value }: Flag): boolean {
  const lines = text.split("\n").filter((line) => line.startsWith(`${key}=`));
  return (
    lines.length > 0 &&
    lines.every(
      (line) =>
        line
          .slice(key.length + 1)
          .replaceAll(/["']/g, "")
          .trim()
          .toLowerCase() === value.toLowerCase(),
    )
  );
}

// Oracle's own sed changes the line if it exists, and otherwise silently does nothing.
function withFlag(text: string, flag: Flag): string {
  if (isSet(text, flag)) return text;
  const line = `${flag.key}=${flag.value}`;
  const pattern = new RegExp(`^${flag.key}=.*$`, "gm");
  if (pattern.test(text)) return text.replaceAll(pattern, line);
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`;
}

async function missingAdditions(tree: GuestTree, release: Release): Promise<string | undefined> {
  const isThere =
    (await hasAdditions(tree, release)) ||
    (await olderKey(tree)) !== undefined ||
    (await detectsClones(tree));
  if (isThere) return undefined;
  return `the additions are not installed: there is no service ${servicesOf(release).join(" or ")}`;
}

async function hasAdditions(tree: GuestTree, release: Release): Promise<boolean> {
  for (const service of servicesOf(release)) if (await serviceFile(tree, service)) return true;
  return false;
}

interface StartLink {
  readonly path: string;
  readonly target: string;
}

// The missing links that start the services.
async function startLinks(tree: GuestTree, release: Release): Promise<StartLink[]> {
  const links: StartLink[] = [];
  for (const service of [...servicesOf(release), "oraclevm-template", ...cloneServices]) {
    const file = await serviceFile(tree, service);
    const text = file && (await tree.text(file));
    if (!file || !text) continue;
    links.push(
      ...(file.endsWith(".service") ? unitLinks(file, text) : await runlevelLinks(tree, service, text)),
    );
  }
  const missing: StartLink[] = [];
  for (const link of links) if (!(await tree.stat(link.path))) missing.push(link);
  return missing;
}

function servicesOf({ major }: Release): string[] {
  return releases[major].init === "systemd" ? ["ovmd", "ovm-template-initial-config"] : ["ovmd"];
}

async function serviceFile(tree: GuestTree, service: string): Promise<string | undefined> {
  for (const path of [
    `/usr/lib/systemd/system/${service}.service`,
    `/lib/systemd/system/${service}.service`,
    `/etc/systemd/system/${service}.service`,
    `/etc/rc.d/init.d/${service}`,
    `/etc/init.d/${service}`,
  ])
    if ((await tree.stat(path))?.kind === "file") return path;
  return undefined;
}

function unitLinks(file: string, text: string): StartLink[] {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const wanted = [...text.matchAll(/^(WantedBy|RequiredBy)=(.*)$/gm)];
  return wanted.flatMap(([, how, targets = ""]) =>
    targets
      .trim()
      .split(/\s+/)
      .map((target) => ({
        path: `/etc/systemd/system/${target}.${how === "WantedBy" ? "wants" : "requires"}/${name}`,
        target: file,
      })),
  );
}

// As `chkconfig ovmd on` reads it: "# chkconfig: 2345 08 92". Any start link of that level will do.
async function runlevelLinks(tree: GuestTree, service: string, text: string): Promise<StartLink[]> {
  const [, levels = "-", start = "08"] = /^#\s*chkconfig:\s*(\S+)\s+(\d+)/m.exec(text) ?? [];
  const links: StartLink[] = [];
  for (const level of levels === "-" ? "2345" : levels) {
    const folder = `${(await tree.stat("/etc/rc.d"))?.kind === "dir" ? "/etc/rc.d" : "/etc"}/rc${level}.d`;
    if ((await tree.glob(`${folder}/S??${service}`)).length > 0) continue;
    links.push({ path: `${folder}/S${start.padStart(2, "0")}${service}`, target: `../init.d/${service}` });
  }
  return links;
}
