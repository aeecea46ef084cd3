import { servicesOf } from "../guest/describe-guest.ts";
import { guestNames } from "../guest/files/names.ts";
import { readRpmDatabase } from "../guest/rpm/database.ts";
import type { GuestTree } from "../image/tree.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { contentOf } from "./acts.ts";
import { lastingRepositories, repositoryFile, wantedPackages } from "./yum.ts";

type Change = (tree: GuestTree) => Promise<void>;

/** What provisioning changes in the files of a stopped guest, or why only the running guest can do it. */
export type Changes = { readonly changes: readonly Change[] } | { readonly why: string };

/**
 * Provisioning without starting the guest: repositories, files and folders. All else has to be there already, as in a
 * template that another recipe built. Changes nothing yet.
 */
export async function stoppedChanges(tree: GuestTree, recipe: Recipe, folder: string): Promise<Changes> {
  const why =
    obstacleIn(recipe) ??
    (await packagesToChange(tree, recipe)) ??
    (await accountsToChange(tree, recipe)) ??
    (await servicesToChange(tree, recipe));
  if (why !== undefined) return { why };
  const [folders, files] = [await foldersOf(tree, recipe), await filesOf(tree, recipe, folder)];
  if ("why" in folders) return folders;
  if ("why" in files) return files;
  return { changes: [addRepositories(recipe), ...folders.changes, ...files.changes] };
}

function obstacleIn({ scripts, disks }: Recipe): string | undefined {
  const [script] = scripts;
  if (script) return `it runs the script ${script.name}`;
  return disks.length > 0 ? "the recipe adds disks" : undefined;
}

async function packagesToChange(tree: GuestTree, recipe: Recipe): Promise<string | undefined> {
  const wanted = wantedPackages(recipe);
  const { remove } = recipe.packages;
  if (wanted.length + remove.length === 0) return undefined;
  const packages = (await readRpmDatabase(tree))?.packages;
  if (!packages) return "it has no rpm database";
  const names = new Set(packages.map(({ name }) => name));
  // A group, a pattern, a version or a capability is none of the names.
  const missing = wanted.find((name) => !names.has(name));
  if (missing !== undefined) return `the package ${missing} is not installed`;
  const [removed] = remove;
  return removed === undefined ? undefined : `it removes the package ${removed}`;
}

async function accountsToChange(tree: GuestTree, recipe: Recipe): Promise<string | undefined> {
  const { users, groups } = await guestNames(tree);
  for (const { name } of recipe.groups)
    if (groups.idOf(name) === undefined) return `there is no group ${name}`;
  for (const { name, group, groups: others, password } of recipe.users) {
    if (password !== undefined) return `it sets the password of ${name}`;
    if (users.idOf(name) === undefined) return `there is no user ${name}`;
    const line = await lineOf(tree, "/etc/passwd", name);
    if (Number(line?.[3]) !== groups.idOf(group)) return `the group of ${name} is another one`;
    const member = await groupsWith(tree, name);
    if ([...others].sort().join() !== member.sort().join()) return `the groups of ${name} change`;
  }
  return undefined;
}

async function linesOf(tree: GuestTree, file: string): Promise<string[][]> {
  return ((await tree.text(file)) ?? "").split("\n").map((line) => line.split(":"));
}

async function lineOf(tree: GuestTree, file: string, name: string): Promise<string[] | undefined> {
  return (await linesOf(tree, file)).find(([first]) => first === name);
}

/** The groups that list a user as their member. */
async function groupsWith(tree: GuestTree, user: string): Promise<string[]> {
  return (await linesOf(tree, "/etc/group"))
    .filter(([, , , members = ""]) => members.split(",").includes(user))
    .map(([name = ""]) => name);
}

async function servicesToChange(tree: GuestTree, recipe: Recipe): Promise<string | undefined> {
  const started = await servicesOf(tree);
  const linked = (await tree.glob("/etc/rc.d/rc?.d/S*")).map((path) => path.replace(/^.*\/S\d\d/, ""));
  const isIn = (services: readonly string[], name: string) =>
    services.some((one) => one === name || one === `${name}.service`);
  const toEnable = recipe.services.enable.find((name) => !isIn(started, name));
  if (toEnable !== undefined) return `it enables the service ${toEnable}`;
  const toDisable = recipe.services.disable.find((name) => isIn([...started, ...linked], name));
  return toDisable === undefined ? undefined : `it disables the service ${toDisable}`;
}

// As `repositoryActs` do.
function addRepositories(recipe: Recipe): Change {
  return async (tree) => {
    for (const repository of lastingRepositories(recipe)) {
      const texts = await Promise.all(
        (await tree.glob("/etc/yum.repos.d/*.repo")).map((path) => tree.text(path)),
      );
      if (texts.some((text) => text?.includes(`[${repository.id}]`))) continue;
      const text = (await tree.text(ownRepositories)) ?? "";
      await tree.write(ownRepositories, `${text}${repositoryFile([repository])}`);
    }
  };
}

const ownRepositories = "/etc/yum.repos.d/tbuild.repo";

async function foldersOf(tree: GuestTree, { folders }: Recipe): Promise<Changes> {
  const changes: Change[] = [];
  for (const { path, owner, group, mode } of folders) {
    const ids = await idsOf(tree, owner, group);
    if ("why" in ids) return ids;
    const attributes = { ...ids, mode: Number.parseInt(mode, 8) };
    const there = await tree.stat(path);
    const isSame =
      there?.kind === "dir" &&
      there.mode === attributes.mode &&
      there.uid === ids.uid &&
      there.gid === ids.gid;
    if (there && !isSame) return { why: `it changes the folder ${path}` };
    changes.push((guest) => guest.makeDir(path, attributes));
  }
  return { changes };
}

async function filesOf(tree: GuestTree, recipe: Recipe, folder: string): Promise<Changes> {
  const changes: Change[] = [];
  for (const { path, content, from, owner, group, mode } of recipe.files) {
    const ids = await idsOf(tree, owner, group);
    if ("why" in ids) return ids;
    const data = await contentOf(folder, content, from);
    changes.push((guest) => guest.write(path, data, { ...ids, mode: Number.parseInt(mode, 8) }));
  }
  return { changes };
}

async function idsOf(
  tree: GuestTree,
  owner: string,
  group: string,
): Promise<{ readonly uid: number; readonly gid: number } | { readonly why: string }> {
  const { users, groups } = await guestNames(tree);
  const [uid, gid] = [users.idOf(owner), groups.idOf(group)];
  if (uid === undefined) return { why: `there is no user ${owner}` };
  if (gid === undefined) return { why: `there is no group ${group}` };
  return { uid, gid };
}
