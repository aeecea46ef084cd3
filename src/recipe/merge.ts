import type { Finding } from "./findings.ts";
import { type Located, locatedAt, readValue } from "./located.ts";

// A disk layout or a set of NICs is one value; every other list is appended to.
const replacedLists = new Set(["layout", "nics", "bundles"]);

/** Merges `own` into the recipe that it extends: maps are merged, lists appended or replaced. */
export function merge(above: Located, own: Located, path: readonly string[]): Located {
  if (above.kind === "map" && own.kind === "map") {
    const entries = new Map(above.entries);
    for (const [key, value] of own.entries) {
      const inherited = entries.get(key);
      entries.set(key, inherited ? merge(inherited, value, [...path, key]) : value);
    }
    return { kind: "map", at: own.at, entries };
  }
  if (above.kind === "list" && own.kind === "list" && grows(own, path))
    return { kind: "list", at: own.at, items: [...above.items, ...own.items] };
  if (above.kind === "list" && own.kind === "map" && countsItems(own, above.items.length))
    return {
      ...above,
      items: above.items.map((item, index) => {
        const value = own.entries.get(String(index));
        return value ? merge(item, value, [...path, String(index)]) : item;
      }),
    };
  return own;
}

/** Removes `append` and `replace` from a recipe file, and marks the lists that they name. */
export function orderedLists(own: Located & { kind: "map" }): {
  said: Located & { kind: "map" };
  findings: Finding[];
} {
  const findings: Finding[] = [];
  let said = own;
  for (const how of ["append", "replace"] as const) {
    const named = own.entries.get(how);
    if (!named) continue;
    const items = named.kind === "list" ? named.items : [named];
    for (const [i, item] of items.entries()) {
      const path = item.kind === "scalar" ? String(item.value).split(".") : [];
      const list = locatedAt(own, path);
      if (list?.kind === "list") said = withList(said, path, { ...list, how });
      else
        findings.push({
          at: item.at,
          path: `${how}.${i}`,
          text: `"${path.join(".")}" is not a list in this file`,
        });
    }
    const entries = new Map(said.entries);
    entries.delete(how);
    said = { ...said, entries };
  }
  return { said, findings };
}

/**
 * A value for `machine.memory`, to merge into a recipe. A list replaces the existing one, or is appended if
 * the key ends with `+`; `layout.2.size` is the size of the third partition.
 */
export function assigned(key: string, value: Located): Located {
  const grows = key.endsWith("+");
  const path = (grows ? key.slice(0, -1) : key).split(".");
  const leaf: Located =
    grows && value.kind === "scalar" ? { kind: "list", at: value.at, items: [value] } : value;
  const last =
    leaf.kind === "list" ? { ...leaf, how: grows ? ("append" as const) : ("replace" as const) } : leaf;
  return path.reduceRight<Located>(
    (inner, name) => ({ kind: "map", at: value.at, entries: new Map([[name, inner]]) }),
    last,
  );
}

/** `key=value` or `key+=value`, from a command line or the environment; the value is YAML. */
export function assignment(text: string, from: string): Located | undefined {
  const [, key, more = "", value = ""] = /^([A-Za-z][\w.-]*)(\+?)=([\s\S]*)$/.exec(text) ?? [];
  return key === undefined ? undefined : assigned(`${key}${more}`, readValue(from, value));
}

function grows(own: Located & { kind: "list" }, path: readonly string[]): boolean {
  return (own.how ?? (replacedLists.has(path.join(".")) ? "replace" : "append")) === "append";
}

function countsItems(own: Located & { kind: "map" }, length: number): boolean {
  return [...own.entries.keys()].every((key) => /^\d+$/.test(key) && Number(key) < length);
}

function withList(
  root: Located & { kind: "map" },
  [key = "", ...rest]: readonly string[],
  list: Located,
): Located & { kind: "map" } {
  const inner = root.entries.get(key);
  const entries = new Map(root.entries);
  entries.set(key, rest.length > 0 && inner?.kind === "map" ? withList(inner, rest, list) : list);
  return { ...root, entries };
}
