import { format } from "./operate.ts";
import { PythonDict, pythonText, Unknown, type Value } from "./value.ts";

type Method = (
  of: Value,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
) => Value | undefined;

const mostItems = 4096;

/** A method of a known value; `undefined` if it is not modelled. Lists and dicts are changed in place. */
export function callMethod(
  name: string,
  of: Value,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
): Value | undefined {
  const table =
    typeof of === "string" ? strings : Array.isArray(of) ? lists : of instanceof PythonDict ? dicts : {};
  return Object.hasOwn(table, name) ? table[name]?.(of, positional, named) : undefined;
}

const text = (value: Value | undefined) => (typeof value === "string" ? value : undefined);

const strings: Readonly<Record<string, Method>> = {
  format: (of, positional, named) => format(of as string, positional, named),
  lower: (of) => (of as string).toLowerCase(),
  upper: (of) => (of as string).toUpperCase(),
  strip: (of, [what]) => (what === undefined ? (of as string).trim() : undefined),
  encode: (of) => of,
  decode: (of) => of,
  join: (of, [list]) => {
    if (!Array.isArray(list)) return undefined;
    const words = list.map(text);
    return words.some((word) => word === undefined) ? undefined : words.join(of as string);
  },
  split: (of, [by]) => {
    const separator = text(by);
    if (by !== undefined && (separator === undefined || separator === "")) return undefined;
    return separator === undefined
      ? (of as string).split(/\s+/).filter((word) => word !== "")
      : (of as string).split(separator);
  },
  replace: (of, [from, to]) => {
    const [old, fresh] = [text(from), text(to)];
    return old === undefined || fresh === undefined ? undefined : (of as string).replaceAll(old, () => fresh);
  },
  startswith: (of, [what]) =>
    text(what) === undefined ? undefined : (of as string).startsWith(what as string),
  endswith: (of, [what]) => (text(what) === undefined ? undefined : (of as string).endsWith(what as string)),
};

const lists: Readonly<Record<string, Method>> = {
  append: (of, [item]) => grown(of as Value[], item === undefined ? [] : [item]),
  extend: (of, [items]) => (Array.isArray(items) ? grown(of as Value[], items) : undefined),
  insert: (of, [at, item]) => {
    if (typeof at !== "number" || item === undefined) return undefined;
    (of as Value[]).splice(at, 0, item);
    return null;
  },
  index: (of, [item]) => {
    const at = (of as Value[]).indexOf(item ?? null);
    return at < 0 ? undefined : at;
  },
};

function grown(list: Value[], items: readonly Value[]): Value | undefined {
  if (list.length + items.length > mostItems) return undefined;
  list.push(...items);
  return null;
}

const pairsOf = (of: Value): Value[] => [...(of as PythonDict)].map(([key, value]): Value => [key, value]);

const dicts: Readonly<Record<string, Method>> = {
  items: pairsOf,
  iteritems: pairsOf,
  keys: (of) => [...(of as PythonDict).keys()],
  iterkeys: (of) => [...(of as PythonDict).keys()],
  values: (of) => [...(of as PythonDict).values()],
  itervalues: (of) => [...(of as PythonDict).values()],
  get: (of, [key, otherwise = null]) => {
    const name = text(key);
    return name === undefined ? undefined : ((of as PythonDict).get(name) ?? otherwise);
  },
  has_key: (of, [key]) => (text(key) === undefined ? undefined : (of as PythonDict).has(key as string)),
  copy: (of) => new PythonDict(of as PythonDict),
  setdefault: (of, [key, otherwise = null]) => {
    const [name, dict] = [text(key), of as PythonDict];
    if (name === undefined) return undefined;
    if (!dict.has(name)) dict.set(name, otherwise);
    return dict.get(name);
  },
  update: (of, [other], named) => {
    if (other !== undefined && !(other instanceof PythonDict)) return undefined;
    for (const [key, value] of [...(other ?? []), ...named]) (of as PythonDict).set(key, value);
    return null;
  },
};

type Builtin = (positional: readonly Value[], named: ReadonlyMap<string, Value>) => Value | undefined;

/** Python's built-in functions, as far as lists of parameters need them. */
export const builtins: Readonly<Record<string, Builtin>> = {
  str: ([value = ""]) => pythonText(value),
  unicode: ([value = ""]) => pythonText(value),
  repr: ([value]) => (typeof value === "number" ? String(value) : undefined),
  int: ([value = 0]) => {
    const number = typeof value === "string" && /^\s*[-+]?\d+\s*$/.test(value) ? Number(value) : value;
    return typeof number === "number" ? Math.trunc(number) : undefined;
  },
  bool: ([value = false]) => (typeof value === "object" && value !== null ? undefined : Boolean(value)),
  len: ([value]) => {
    if (typeof value === "string" || Array.isArray(value)) return value.length;
    return value instanceof PythonDict ? value.size : undefined;
  },
  list: ([value]) => (value === undefined ? [] : itemsOf(value)),
  tuple: ([value]) => (value === undefined ? [] : itemsOf(value)),
  set: ([value]) => (value === undefined ? [] : itemsOf(value)),
  sorted: ([value]) => {
    const items = value === undefined ? undefined : itemsOf(value);
    return items?.every((item) => typeof item === "string")
      ? [...items].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      : undefined;
  },
  reversed: ([value]) => (Array.isArray(value) ? [...value].reverse() : undefined),
  dict: ([value], named) => {
    const pairs = value instanceof PythonDict ? [...value] : value === undefined ? [] : pairList(value);
    return pairs && new PythonDict([...pairs, ...named]);
  },
  "os.path.join": (words) => joined(words),
  "os.path.basename": ([path]) =>
    typeof path === "string" ? path.slice(path.lastIndexOf("/") + 1) : undefined,
  "os.path.dirname": ([path]) =>
    typeof path === "string" ? path.slice(0, Math.max(0, path.lastIndexOf("/"))) : undefined,
  range,
  xrange: range,
  enumerate: ([value, start = 0]) => {
    const items = value === undefined ? undefined : itemsOf(value);
    return typeof start === "number" ? items?.map((item, index): Value => [start + index, item]) : undefined;
  },
  zip: (lists) => {
    const all = lists.map(itemsOf);
    if (all.some((one) => one === undefined)) return undefined;
    const shortest = Math.min(...all.map((one) => one?.length ?? 0));
    return Array.from(
      { length: all.length === 0 ? 0 : shortest },
      (_, index): Value => all.map((one) => one?.[index] ?? null),
    );
  },
};

// As posixpath: a part that begins with a slash starts anew.
function joined(words: readonly Value[]): string | undefined {
  if (!words.every((word) => typeof word === "string")) return undefined;
  return words.reduce((path, word) =>
    word.startsWith("/") || path === "" ? word : `${path}${path.endsWith("/") ? "" : "/"}${word}`,
  );
}

function range([first, second, third = 1]: readonly Value[]): Value | undefined {
  const [from, to] = second === undefined ? [0, first] : [first, second];
  if (typeof from !== "number" || typeof to !== "number" || typeof third !== "number" || third === 0)
    return undefined;
  const count = Math.max(0, Math.ceil((to - from) / third));
  return count > mostItems ? undefined : Array.from({ length: count }, (_, index) => from + index * third);
}

function pairList(value: Value): [string, Value][] | undefined {
  const pairs = itemsOf(value)?.map((pair) =>
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string"
      ? ([pair[0], pair[1] as Value] as [string, Value])
      : undefined,
  );
  return pairs?.some((pair) => pair === undefined) ? undefined : (pairs as [string, Value][] | undefined);
}

/** The items of a loop over a value, in order; `undefined` if they are unknown. */
export function itemsOf(value: Value): Value[] | undefined {
  if (Array.isArray(value)) return [...value];
  if (typeof value === "string") return [...value];
  if (value instanceof PythonDict) return [...value.keys()];
  return undefined;
}

/** `Unknown` if the call is not modelled. */
export function notModelled(what: string, line: number): Unknown {
  return new Unknown(`calls ${what}`, line);
}
