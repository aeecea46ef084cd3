import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Operation } from "../guest/operation.ts";
import { readRelease, releases } from "../guest/release.ts";
import type { GuestTree } from "../image/tree.ts";
import { asDigest, type Digest } from "../model/digest.ts";
import { additions } from "./additions.ts";
import { cloneProgram, cloneServices } from "./clone-files.ts";
import { injectModule } from "./inject.ts";
import { standardModules, withPython } from "./standard-modules.ts";

const library = "/usr/lib/tbuild-clone";
const hooks = "/etc/tbuild/clone.d";

/** Lists the parts of clone detection that the guest lacks. */
export async function lacksCloneDetection(tree: GuestTree): Promise<string[]> {
  const found: string[] = [];
  for (const file of await filesFor(tree)) if (await differs(tree, file)) found.push(file.path);
  if ((await tree.stat(hooks))?.kind !== "dir") found.push(hooks);
  for (const operation of await moduleOperations(tree)) found.push(...(await operation.pending(tree)));
  return found;
}

export async function bringCloneDetection(tree: GuestTree): Promise<void> {
  const modules = await moduleOperations(tree);
  for (const { path, text, mode } of await filesFor(tree)) await tree.write(path, text, { mode });
  if (!(await tree.stat(hooks))) await tree.makeDir(hooks, { mode: 0o755 });
  for (const operation of modules) await operation.apply(tree);
}

/** The digest of everything that the operation adds. */
export async function cloneDetectionDigest(): Promise<Digest> {
  const hash = createHash("sha256");
  for (const { path, text, mode } of [...(await filesOf(6)), ...(await filesOf(7))])
    hash.update(`${path} ${mode} ${text.length}\n`).update(text);
  for (const { name, script } of await standardModules("python")) hash.update(`${name}\n`).update(script);
  return asDigest(hash.digest("hex"));
}

interface File {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

async function filesFor(tree: GuestTree): Promise<File[]> {
  const { major } = await readRelease(tree);
  const python = await pythonOf(tree);
  return (await filesOf(major)).map((file) => ({ ...file, text: withPython(file.text, python) }));
}

async function filesOf(major: keyof typeof releases): Promise<File[]> {
  const file = async (from: string, path: string, mode = 0o644) => ({
    path,
    text: await readFile(join(additions, from), "utf8"),
    mode,
  });
  const systemd = releases[major].init === "systemd";
  const folders = ["clonedetect", "ovmdaemon", "templateconfig"];
  const modules = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(additions, folder)))
        .filter((name) => name.endsWith(".py"))
        .sort()
        .map((name) => `${folder}/${name}`),
    ),
  );
  return Promise.all([
    file("sbin/tbuild-clone", cloneProgram, 0o755),
    ...modules.flat().map((name) => file(name, `${library}/${name}`)),
    ...cloneServices.map((name) =>
      systemd
        ? file(`el7/${name}.service`, `/usr/lib/systemd/system/${name}.service`)
        : file(`el6/${name}.init`, `/etc/rc.d/init.d/${name}`, 0o755),
    ),
  ]);
}

async function differs(tree: GuestTree, { path, text, mode }: File): Promise<boolean> {
  const found = await tree.stat(path);
  return found?.kind !== "file" || found.mode !== mode || (await tree.text(path)) !== text;
}

// An existing module is kept: it may come from the additions or from the guest's owner.
async function moduleOperations(tree: GuestTree): Promise<Operation[]> {
  const modules = await standardModules(await pythonOf(tree));
  const wanted: Operation[] = [];
  for (const module of modules) {
    const text = await tree.text(`/etc/template.d/scripts/${module.name}`);
    if (text === undefined || text === Buffer.from(module.script).toString("utf8"))
      wanted.push(injectModule(module));
  }
  return wanted;
}

// The system's own Python, which its package manager needs.
async function pythonOf(tree: GuestTree): Promise<string> {
  const { major } = await readRelease(tree);
  const paths =
    major <= 7
      ? ["/usr/bin/python", "/usr/bin/python2", "/usr/bin/python3"]
      : ["/usr/libexec/platform-python", "/usr/bin/python3"];
  for (const path of paths) if (await tree.stat(path)) return major === 5 ? withJson(tree, path) : path;
  throw new TbuildError("guest", "the guest has no Python, which clone detection needs", {
    hint: `Install it: ${paths.join(" or ")}.`,
  });
}

// Python 2.4 has no json.
async function withJson(tree: GuestTree, python: string): Promise<string> {
  const found = await tree.glob("/usr/lib*/python2.*/site-packages/simplejson");
  if (found.length > 0) return python;
  throw new TbuildError("guest", "Python 2.4 of this guest has no simplejson, which clone detection needs", {
    hint: "Add python-simplejson to the recipe's packages.install, from the repository ol5_addons.",
  });
}
