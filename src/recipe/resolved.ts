import { stringify } from "yaml";
import type { LoadedRecipe } from "./load.ts";
import { type Located, locatedAt, plain } from "./located.ts";
import { Recipe } from "./recipe.ts";

/** A value of a recipe, and where it was set. */
export interface ResolvedValue {
  /** Dotted, such as `machine.memory`. */
  readonly path: string;
  readonly value: unknown;
  /** `recipes/ol6-base.yaml:12`, `--set machine.memory`, `default`. */
  readonly from: string;
}

/** Every value of a recipe, including defaults, and where it was set. */
export function resolvedValues({ said }: Pick<LoadedRecipe, "said">): ResolvedValue[] {
  const found: ResolvedValue[] = [];
  walk(Recipe.parse(plain(said)), [], said, (path, value, from) =>
    found.push({ path: path.map(String).join("."), value, from }),
  );
  return found;
}

/** The recipe as YAML, with the origin of each value in a comment. */
export function resolvedText({ said }: Pick<LoadedRecipe, "said">): string {
  return block(Recipe.parse(plain(said)), [], said);
}

function walk(
  value: unknown,
  path: readonly PropertyKey[],
  said: Located,
  visit: (path: readonly PropertyKey[], value: unknown, from: string) => void,
): void {
  const inner = entriesOf(value);
  if (inner === undefined || inner.length === 0) visit(path, written(value, path, said), from(path, said));
  else for (const [key, one] of inner) walk(one, [...path, key], said, visit);
}

function block(value: unknown, path: readonly PropertyKey[], said: Located): string {
  const isList = Array.isArray(value);
  return (entriesOf(value) ?? [])
    .map(([key, one]) => {
      const here = [...path, key];
      const head = isList ? "-" : `${stringify(key).trimEnd()}:`;
      const inner = entriesOf(one);
      if (inner === undefined || inner.length === 0)
        return scalar(head, written(one, here, said), from(here, said));
      const body = indented(block(one, here, said));
      // A list item begins on the line of its dash.
      return isList ? `- ${body.trimStart()}` : `${head}\n${body}`;
    })
    .join("");
}

function scalar(head: string, value: unknown, from: string): string {
  const [first = "", ...rest] = stringify(value, { lineWidth: 0, blockQuote: "literal" })
    .replace(/\n$/, "")
    .split("\n");
  return `${head} ${first}  # ${from}\n${rest.map((line) => `${line}\n`).join("")}`;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

function entriesOf(value: unknown): [PropertyKey & (string | number), unknown][] | undefined {
  if (Array.isArray(value)) return value.map((one, index) => [index, one]);
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).filter(([, one]) => one !== undefined);
}

// Sizes are shown as in recipes, not as stored.
function written(value: unknown, path: readonly PropertyKey[], said: Located): unknown {
  const here = locatedAt(said, path);
  if (here?.kind === "scalar") return here.value;
  if (typeof value === "number" && ["size", "memory", "disk"].includes(String(path.at(-1))))
    return value % 1024 === 0 ? `${value / 1024}G` : `${value}M`;
  return value;
}

function from(path: readonly PropertyKey[], said: Located): string {
  const at = locatedAt(said, path)?.at;
  if (at === undefined) return "default";
  return /\.ya?ml$/.test(at.file) ? `${at.file}:${at.line}` : at.file;
}
