import type { Operation } from "../guest/operation.ts";
import { readRelease } from "../guest/release.ts";
import type { GuestTree } from "../image/tree.ts";
import { type FirstBootModule, type ModuleFile, type Target, targets } from "./module.ts";

/** Adds a first-boot module to the guest and enables it. */
export function injectModule(module: FirstBootModule): Operation {
  const filesFor = async (tree: GuestTree): Promise<Omit<ModuleFile, "from">[]> => [
    { path: `${scripts}/${module.name}`, data: await scriptIn(tree, module), mode: 0o755 },
    ...module.payload,
  ];
  return {
    name: `module-${module.name}`,
    summary: `Add the first-boot module ${module.name}: ${module.description}`,
    needs: "files",
    async pending(tree) {
      const found: string[] = [];
      for (const file of await filesFor(tree)) if (await differs(tree, file)) found.push(file.path);
      for (const [target, priority] of enabled(module))
        if (!(await isEnabled(tree, module.name, target, priority)))
          found.push(`${module.name} is not enabled for ${target}`);
      return [...found, ...(await outdated(tree, module))];
    },
    async apply(tree) {
      for (const { path, data, mode, owner } of await filesFor(tree))
        await tree.write(path, data, { mode, ...owner });
      if (tree.runsPrograms && (await tree.stat(chkconfig)))
        await tree.run([chkconfig, "--add", module.name]);
      for (const [target, priority] of enabled(module)) await enable(tree, module.name, target, priority);
      for (const link of await outdated(tree, module)) await tree.remove(link);
    },
  };
}

/**
 * The module's script as it goes into a guest: EL8 and EL9 have no `python`, so the first line must name
 * theirs.
 */
export async function scriptIn(tree: GuestTree, { script, scriptFor }: FirstBootModule): Promise<Uint8Array> {
  const text = Buffer.from(script).toString("latin1");
  if (!named.test(text) || (await readRelease(tree)).major < 8) return script;
  if (scriptFor) return scriptFor(platformPython);
  if (await tree.stat("/usr/bin/python")) return script;
  return Buffer.from(text.replace(named, `#!${platformPython}`), "latin1");
}

const named = /^#!\s*(?:\/usr)?\/bin\/(?:env\s+)?python(?=\s)/;
const platformPython = "/usr/libexec/platform-python";

const scripts = "/etc/template.d/scripts";
const chkconfig = "/usr/sbin/ovm-chkconfig";

function enabled({ priorities }: FirstBootModule): [Target, number][] {
  return Object.entries(priorities) as [Target, number][];
}

async function differs(
  tree: GuestTree,
  { path, data, mode, owner }: Omit<ModuleFile, "from">,
): Promise<boolean> {
  const found = await tree.stat(path);
  if (found?.kind !== "file" || found.mode !== mode) return true;
  if (owner && (found.uid !== owner.uid || found.gid !== owner.gid)) return true;
  return Buffer.compare((await tree.read(path)) ?? new Uint8Array(), data) !== 0;
}

// The existing links show how ovm-chkconfig of this guest names them.
interface Style {
  readonly folder: string;
  readonly nameOf: (module: string, priority: number) => string;
}

async function styleOf(tree: GuestTree, target: Target): Promise<Style> {
  const suffix = await suffixOf(tree, target);
  const [, start = "", dash = ""] = linkForm.exec((await modelLink(tree, target)) ?? "") ?? [];
  return {
    folder: `${modules}/${target}${suffix}`,
    nameOf: (module, priority) => `${start}${twoDigits(priority)}${dash}${module}`,
  };
}

const modules = "/etc/template.d";
const linkForm = /^(S?)\d\d(-?)(.+)$/;

async function suffixOf(tree: GuestTree, target: Target): Promise<string> {
  for (const one of [target, ...targets])
    for (const suffix of [".d", ""])
      if ((await tree.stat(`${modules}/${one}${suffix}`))?.kind === "dir") return suffix;
  return "";
}

/** The name of an enabled module's link: at this target, otherwise at another. */
async function modelLink(tree: GuestTree, target: Target = "configure"): Promise<string | undefined> {
  for (const one of [target, ...targets])
    for (const suffix of [".d", ""]) {
      const model = (await tree.list(`${modules}/${one}${suffix}`)).find((name) => linkForm.test(name));
      if (model !== undefined) return model;
    }
  return undefined;
}

/** Why only the running guest can enable a module; `undefined` if its files are enough. */
export async function needsRunningGuest(tree: GuestTree): Promise<string | undefined> {
  if (!(await tree.stat(chkconfig)) || (await modelLink(tree)) !== undefined) return undefined;
  return "no module is enabled yet, so only its ovm-chkconfig knows the names of links";
}

async function isEnabled(tree: GuestTree, name: string, target: Target, priority: number): Promise<boolean> {
  const { folder, nameOf } = await styleOf(tree, target);
  return (await tree.stat(`${folder}/${nameOf(name, priority)}`))?.kind === "link";
}

async function enable(tree: GuestTree, name: string, target: Target, priority: number): Promise<void> {
  const { folder, nameOf } = await styleOf(tree, target);
  const wanted = nameOf(name, priority);
  // A link with another priority, from an older version of the module, would run it twice.
  for (const old of await linksOf(tree, name, target))
    if (old !== `${folder}/${wanted}`) await tree.remove(old);
  if ((await tree.stat(`${folder}/${wanted}`))?.kind !== "link")
    await tree.link(`${folder}/${wanted}`, `../scripts/${name}`);
}

/** Links of a module at targets where only an older version of it ran. */
async function outdated(tree: GuestTree, { name, priorities }: FirstBootModule): Promise<string[]> {
  const found: string[] = [];
  for (const target of targets)
    if (priorities[target] === undefined) found.push(...(await linksOf(tree, name, target)));
  return found;
}

async function linksOf(tree: GuestTree, name: string, target: Target): Promise<string[]> {
  const { folder } = await styleOf(tree, target);
  const links = (await tree.list(folder)).filter((link) => linkForm.exec(link)?.[3] === name);
  return links.map((link) => `${folder}/${link}`);
}

function twoDigits(priority: number): string {
  return String(priority).padStart(2, "0");
}
