import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { namesIn } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import { type Finding, refuse, suggestion } from "./findings.ts";
import {
  type Located,
  locatedAt,
  type Place,
  pathInFile,
  placed,
  placeOf,
  plain,
  readYaml,
} from "./located.ts";
import { merge, orderedLists } from "./merge.ts";
import { effective, Recipe } from "./recipe.ts";
import { shapeFindings } from "./shape.ts";

/** A recipe, the position of each of its values, and its files. */
export interface LoadedRecipe {
  /** Without what a build would not do (`effective`). */
  readonly recipe: Recipe;
  /** The recipe's file; paths in it are relative to its folder. */
  readonly file: string;
  /** Its own file, then the files that it extends, nearest first. */
  readonly files: readonly string[];
  /** All values of the files, with their positions. Other values are defaults. */
  readonly said: Located;
  place(path: readonly PropertyKey[]): Place;
}

/** A check that the schema cannot express. It gets the sections with a valid shape. */
export type Rule = (recipe: Partial<Recipe>, context: RuleContext) => Promise<void> | void;
export interface RuleContext {
  readonly folder: string;
  /** Folders of first-boot modules: beside the recipe, and in the recipes folder. */
  readonly moduleFolders: readonly string[];
  readonly problem: (path: readonly PropertyKey[], text: string) => void;
  /** The position of a value, such as ` (my.yaml:7)`; empty for a default. */
  readonly standing: (path: readonly PropertyKey[]) => string;
  /** The file that contains a value; `undefined` for a default. */
  readonly fileOf: (path: readonly PropertyKey[]) => string | undefined;
}

/**
 * Reads recipe `name` of `folders`, which are searched in order, or a path to a file. Follows `extends`, and
 * checks shape and meaning. Returns the recipe, or throws one `usage` fault with every finding: file, line,
 * column, path. `values` override the files; the last one wins.
 */
export async function loadRecipe(
  folders: string | readonly string[],
  name: string,
  rules: readonly Rule[] = [],
  values: readonly Located[] = [],
): Promise<LoadedRecipe> {
  const searched = [folders].flat();
  const isPath = name.includes("/") || /\.ya?ml$/.test(name);
  const file = isPath ? name : await firstFile(searched.map((folder) => join(folder, `${name}.yaml`)));
  const chain = await readChain(file, searched, []);
  const { files } = chain;
  const merged = values.reduce((below, value) => merge(below, value, []), chain.merged);
  const { findings, sections } = checkShape(merged);
  findings.push(...chain.findings);
  const problem = (path: readonly PropertyKey[], text: string) =>
    findings.push({ at: placeOf(merged, path), path: pathInFile(merged, path), text });
  const standing = (path: readonly PropertyKey[]) => {
    const at = locatedAt(merged, path)?.at;
    return at === undefined ? "" : ` (${at.line === 0 ? at.file : `${at.file}:${at.line}`})`;
  };
  for (const rule of rules)
    await rule(sections, {
      folder: dirname(file),
      moduleFolders: moduleFolders(file, searched),
      problem,
      standing,
      fileOf: (path) => locatedAt(merged, path)?.at.file,
    });
  refuse(relative(process.cwd(), file) || file, findings);
  return {
    recipe: effective(Recipe.parse(plain(merged))),
    file,
    files,
    said: merged,
    place: (path) => placeOf(merged, path),
  };
}

/** The folders with the first-boot modules of a recipe, nearest first. */
export function moduleFolders(file: string, folders: readonly string[]): string[] {
  return [...new Set([dirname(file), ...folders].map((folder) => join(folder, "modules")))];
}

/** The names of the recipes in folders. */
export async function recipeNames(folders: string | readonly string[]): Promise<string[]> {
  const listed = await Promise.all([folders].flat().map((folder) => namesIn(folder)));
  const names = listed
    .flat()
    .filter((entry) => entry.endsWith(".yaml"))
    .map((entry) => entry.slice(0, -".yaml".length));
  return [...new Set(names)].sort();
}

/** The first of `files` that exists. If none does, the first one, for the error message. */
async function firstFile(files: readonly string[]): Promise<string> {
  for (const file of files) if (await isFile(file)) return file;
  return files[0] ?? "";
}

/** The faults of the shape, and the sections without faults. */
function checkShape(merged: Located): { findings: Finding[]; sections: Partial<Recipe> } {
  const value = plain(merged);
  const result = Recipe.safeParse(value);
  if (result.success) return { findings: [], sections: result.data };
  const findings = shapeFindings(Recipe, result.error, merged);
  const given = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const sections = Object.fromEntries(
    Object.entries(Recipe.shape).flatMap(([key, schema]) => {
      const section = schema.safeParse(given[key]);
      return section.success ? [[key, section.data]] : [];
    }),
  );
  return { findings, sections: sections as Partial<Recipe> };
}

async function readChain(
  file: string,
  folders: readonly string[],
  below: readonly string[],
): Promise<{ merged: Located; files: string[]; findings: Finding[] }> {
  const chain = [...below, file];
  if (below.some((one) => resolve(one) === resolve(file)))
    throw new TbuildError("usage", `extends itself (${chain.join(" → ")})`, { subject: file });
  const data = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes(error.code ?? "")) return undefined;
    throw fileFault(error, shown(file));
  });
  const isNamed = folders.some((folder) => resolve(folder) === resolve(dirname(file)));
  if (data === undefined)
    throw await noSuchRecipe(isNamed ? basename(file, ".yaml") : shown(file), file, folders);
  if (!isUtf8(data))
    throw new TbuildError("usage", "is not UTF-8", {
      subject: shown(file),
      hint: "Save it as UTF-8. In another encoding, letters other than ASCII would change.",
    });
  const own = readYaml(shown(file), data.toString("utf8"));
  if (own.kind !== "map")
    throw new TbuildError("usage", "not a recipe", {
      subject: shown(file),
      hint: "A recipe is a YAML file of keys and values.",
    });
  const { said, findings } = orderedLists(own);
  const parent = said.entries.get("extends");
  if (!parent) return { merged: said, files: [file], findings };
  if (parent.kind !== "scalar" || typeof parent.value !== "string")
    throw new TbuildError(
      "usage",
      `${shown(file)}:${parent.at.line}: extends should be the name of a recipe`,
    );
  const wanted = `${parent.value.replace(/\.ya?ml$/, "")}.yaml`;
  // A recipe may extend one of the same name in a folder further down the list.
  const places = [dirname(file), ...folders].map((folder) => resolve(folder, wanted));
  const others = places.filter((place) => !chain.some((one) => resolve(one) === place));
  const another = await firstFile(others);
  const found = (await isFile(another)) ? another : await firstFile(places);
  if (!(await isFile(found)))
    throw await noSuchRecipe(`${placed(parent.at)}: extends ${parent.value}`, wanted, folders);
  const above = await readChain(found, folders, chain);
  const entries = new Map(said.entries);
  entries.delete("extends");
  return {
    merged: merge(above.merged, { ...said, entries }, []),
    files: [file, ...above.files],
    findings: [...above.findings, ...findings],
  };
}

async function noSuchRecipe(what: string, file: string, folders: readonly string[]): Promise<TbuildError> {
  const names = await recipeNames(folders);
  const name = file.slice(file.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
  return new TbuildError("usage", `no such recipe${suggestion(name, names)}`, {
    subject: what,
    hint: `Recipes are the .yaml files in ${folders.map(shown).join(" and ")}; \`tbuild recipe --list\` lists them.`,
  });
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}

function shown(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith("..") ? file : short;
}
