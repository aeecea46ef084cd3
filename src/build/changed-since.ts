import { stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { TbuildError, together } from "../errors.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { amount } from "../io/units.ts";
import { originOf } from "../recipe/from.ts";
import { recipeNames } from "../recipe/load.ts";
import { baseFileDigest } from "./base/file.ts";
import { basesAmong, refuseCircle } from "./lineage.ts";
import type { OpenedSite } from "./opened-site.ts";
import { type RecipeParts, recipeParts } from "./recipe-parts.ts";

/** A recipe to build, as one job of a CI queue. */
export interface ToBuild {
  readonly recipe: string;
  /**
   * 0 for a recipe that needs no other recipe of the list; otherwise one more than the highest level that it
   * needs.
   */
  readonly level: number;
  /** The recipe of the list whose template it starts from. */
  readonly needs: readonly string[];
  /** What changed: keys of the recipe, or its parts: `module:`, `file:`, `script:`, `kickstart` or `from`. */
  readonly why: readonly string[];
}

/**
 * The recipes of the repo whose builds would differ from those at a commit, each after the recipe that it
 * starts from. Compares the resolved recipes and the files that they refer to. So a changed comment does not
 * count, and a change in a recipe affects every recipe that extends it. Builds nothing and changes nothing.
 */
export async function changedSince(opened: OpenedSite, commit: string): Promise<ToBuild[]> {
  const now = await allParts(opened);
  await using before = await treeAt(opened, commit);
  const then = { ...opened, recipes: before.recipes, kickstarts: before.kickstarts };
  const known = new Set(await recipeNames(before.recipes));
  const why = new Map<string, string[]>();
  for (const [name, parts] of now) {
    const reasons = known.has(name) ? await differences(then, name, parts, before.digests) : ["new"];
    if (reasons.length > 0) why.set(name, reasons);
  }
  return inOrder(now, why);
}

async function allParts(opened: OpenedSite): Promise<ReadonlyMap<string, RecipeParts>> {
  const [found, faults] = [new Map<string, RecipeParts>(), [] as unknown[]];
  const names = await recipeNames(opened.recipes);
  for (const name of names)
    await recipeParts(opened, name).then(
      (parts) => found.set(name, parts),
      (error) => faults.push(error),
    );
  if (faults.length > 0)
    throw together(faults, `${faults.length} of ${amount(names.length, "recipe")} cannot be read`);
  return found;
}

async function differences(
  then: OpenedSite,
  name: string,
  now: RecipeParts,
  cacheFile: string,
): Promise<string[]> {
  const old = await recipeParts(then, name).catch((error: unknown) => {
    if (error instanceof TbuildError) return undefined;
    throw error;
  });
  if (old === undefined) return ["could not be read then"];
  return [
    ...differingKeys(texts(old.loaded.recipe), texts(now.loaded.recipe)),
    ...differingKeys(old.digests, now.digests),
    ...((await hasOtherBase(old, now, cacheFile)) ? ["from"] : []),
  ];
}

// For a file that exists in both versions of the repo. A file outside the repo is the same for both.
async function hasOtherBase(old: RecipeParts, now: RecipeParts, cacheFile: string): Promise<boolean> {
  const { from } = now.loaded.recipe;
  if (from === undefined || from !== old.loaded.recipe.from || originOf(from) !== "file") return false;
  const files = [old, now].map(({ loaded }) => resolve(dirname(loaded.file), from));
  for (const file of files) if (!(await stat(file).catch(() => undefined))?.isFile()) return false;
  const [one = "", other = ""] = files;
  return (await baseFileDigest(one, cacheFile)) !== (await baseFileDigest(other, cacheFile));
}

function texts(recipe: object): Record<string, string> {
  return Object.fromEntries(Object.entries(recipe).map(([key, value]) => [key, JSON.stringify(value)]));
}

function differingKeys(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): string[] {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => one[key] !== other[key]);
}

// A recipe also changes if the recipe that it starts from changes.
function inOrder(
  now: ReadonlyMap<string, RecipeParts>,
  why: ReadonlyMap<string, readonly string[]>,
): ToBuild[] {
  const baseOf = basesAmong(new Map([...now].map(([name, { loaded }]) => [name, loaded.recipe])));
  const jobs = new Map<string, ToBuild | undefined>();
  const job = (name: string, heirs: readonly string[]): ToBuild | undefined => {
    if (jobs.has(name)) return jobs.get(name);
    const base = baseOf(name);
    if (base !== undefined && heirs.includes(base)) refuseCircle([...heirs, base]);
    const under = base === undefined ? undefined : job(base, [...heirs, base]);
    const reasons = [...(why.get(name) ?? []), ...(under ? [`from: ${under.recipe}`] : [])];
    const found =
      reasons.length === 0
        ? undefined
        : {
            recipe: name,
            level: under ? under.level + 1 : 0,
            needs: under ? [under.recipe] : [],
            why: reasons,
          };
    jobs.set(name, found);
    return found;
  };
  return [...now.keys()]
    .flatMap((name) => job(name, [name]) ?? [])
    .sort((one, other) => one.level - other.level || (one.recipe < other.recipe ? -1 : 1));
}

/** The recipes and kickstarts of a commit, in a folder that is removed afterwards. */
async function treeAt({ host, recipes, kickstarts }: OpenedSite, commit: string) {
  const git = (...args: string[]) => host.run(["git", "-C", recipes, ...args], { allow: [1, 128] });
  const top = await git("rev-parse", "--show-toplevel", "--show-prefix");
  if (top.exitCode !== 0)
    throw new TbuildError("usage", "is not in a git repository", {
      subject: recipes,
      lines: top.stderr.trim().split("\n"),
      hint: "`tbuild init` makes a repository for recipes.",
    });
  const found = await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${commit}^{commit}`);
  if (found.exitCode !== 0)
    throw new TbuildError("usage", `"${commit}" is not a commit of ${recipes}`, {
      subject: "--changed-since",
      hint: "A shallow clone lacks older commits: fetch the whole history (fetch-depth: 0, GIT_DEPTH: 0).",
    });
  const folder = await temporaryFolder("commit");
  try {
    const [root = "", prefix = ""] = top.stdout.split("\n");
    const [tree, id] = [join(folder.path, "tree"), found.stdout.trim()];
    // Uses a separate index, so the repository's index does not change.
    const env = { GIT_INDEX_FILE: join(folder.path, "index") };
    await host.run(["git", "-C", root, "read-tree", id], { env });
    await host.run(["git", "-C", root, "checkout-index", "--all", `--prefix=${tree}/`], { env });
    return {
      digests: join(folder.path, "digests.json"),
      recipes: join(tree, prefix),
      kickstarts: join(tree, prefix, relative(recipes, kickstarts)),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
