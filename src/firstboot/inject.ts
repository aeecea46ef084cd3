import type { Operation } from "../guest/operation.ts";
import { readRelease } from "../guest/release.ts";
import type { GuestTree } from "../image/tree.ts";
import type { FirstBootModule, ModuleFile, Target } from "./module.ts";

/** Brings a first-boot module into the guest and enables it. */
export function injectModule(module: FirstBootModule): Operation {
  const filesFor = async (tree: GuestTree): Promise<Omit<ModuleFile, "from">[]> => [
    { path: `${scripts}/${module.name}`, data: await scriptIn(tree, module), mode: 0o755 },
    ...module.payload,
  ];
  return {
    name: `module-${module.name}`,
    summary: `Bring in the first-boot module ${module.name}: ${module.description}`,
    needs: "files",
    async pending(tree) {
      const found: string[] = [];
      for (const file of await filesFor(tree)) if (await differs(tree, file)) found.push(file.path);
      for (const [target, priority] of enabled(module))
        if (!(await isEnabled(tree, module.name, target, priority)))
          found.push(`${module.name} is not enabled for ${target}`);
      return found;
    },
    async apply(tree) {
      for (const { path, data, mode, owner } of await filesFor(tree))
        await tree.write(path, data, { mode, ...owner });
      if (tree.runsPrograms && (await tree.stat(chkconfig)))
        await tree.run([chkconfig, "--add", module.name]);
      for (const [target, priority] of enabled(module)) await enable(tree, module.name, target, priority);
    },
  };
}

/** A program that was made from module.yaml names the Python of the guest's release; EL8 and EL9 have no `python`. */
async function scriptIn(tree: GuestTree, module: FirstBootModule): Promise<Uint8Array> {
  if (module.scriptFor === undefined) return module.script;
  const { major } = await readRelease(tree);
  return major >= 8 ? module.scriptFor("/usr/libexec/platform-python") : module.script;
}

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

// The links that are there show how ovm-chkconfig of this guest names them.
interface Style {
  readonly folder: string;
  readonly nameOf: (module: string, priority: number) => string;
}

async function styleOf(tree: GuestTree, target: Target): Promise<Style> {
  for (const folder of [`/etc/template.d/${target}.d`, `/etc/template.d/${target}`]) {
    if ((await tree.stat(folder))?.kind !== "dir") continue;
    const model = (await tree.list(folder)).find((name) => /^S?\d\d/.test(name));
    const [, start = "", dash = ""] = /^(S?)\d\d(-?)/.exec(model ?? "") ?? [];
    return { folder, nameOf: (module, priority) => `${start}${twoDigits(priority)}${dash}${module}` };
  }
  return {
    folder: `/etc/template.d/${target}`,
    nameOf: (module, priority) => `${twoDigits(priority)}${module}`,
  };
}

async function isEnabled(tree: GuestTree, name: string, target: Target, priority: number): Promise<boolean> {
  const { folder, nameOf } = await styleOf(tree, target);
  return (await tree.stat(`${folder}/${nameOf(name, priority)}`))?.kind === "link";
}

async function enable(tree: GuestTree, name: string, target: Target, priority: number): Promise<void> {
  const { folder, nameOf } = await styleOf(tree, target);
  const wanted = nameOf(name, priority);
  // A link with another priority, from an older version of the module, would run it twice.
  for (const old of await tree.list(folder))
    if (old !== wanted && /^S?\d\d-?(.+)$/.exec(old)?.[1] === name) await tree.remove(`${folder}/${old}`);
  if ((await tree.stat(`${folder}/${wanted}`))?.kind !== "link")
    await tree.link(`${folder}/${wanted}`, `../scripts/${name}`);
}

function twoDigits(priority: number): string {
  return String(priority).padStart(2, "0");
}
