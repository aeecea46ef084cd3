import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLParseError,
} from "yaml";
import { TbuildError } from "../errors.ts";

/** A position in a file. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A YAML value with the position of each of its parts. */
export type Located =
  | { readonly kind: "map"; readonly at: Place; readonly entries: ReadonlyMap<string, Located> }
  | {
      readonly kind: "list";
      readonly at: Place;
      readonly items: readonly Located[];
      /** How it is merged into the list that it overrides, if stated. */
      readonly how?: "append" | "replace";
    }
  | {
      readonly kind: "scalar";
      readonly at: Place;
      readonly value: unknown;
      /** A number as written in the file. */
      readonly source?: string;
    };

/** A value from the command line or the environment. `file` names it, and it has no line numbers. */
export function readValue(file: string, text: string): Located {
  return withoutLines(readYaml(file, text));
}

function withoutLines(one: Located): Located {
  const at = { ...one.at, line: 0, column: 0 };
  if (one.kind === "map")
    return {
      ...one,
      at,
      entries: new Map([...one.entries].map(([key, inner]) => [key, withoutLines(inner)])),
    };
  return one.kind === "list" ? { ...one, at, items: one.items.map(withoutLines) } : { ...one, at };
}

/** Reads YAML. Throws a `usage` fault that lists every syntax error. */
export function readYaml(file: string, text: string): Located {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  if (document.errors.length > 0)
    throw new TbuildError("usage", "not a YAML file", {
      subject: file,
      lines: causes(document.errors, (error) => place(error.pos[0]).line).map(
        (error) => `${placed(place(error.pos[0]))}: ${wordedFault(error, text)}`,
      ),
    });
  // An unknown tag would be lost silently.
  const strange = document.warnings.filter(({ code }) => code === "TAG_RESOLVE_FAILED");
  if (strange.length > 0)
    throw new TbuildError("usage", "not a YAML file", {
      subject: file,
      lines: strange.map(
        ({ pos }) =>
          `${placed(place(pos[0]))}: the tag ${text.slice(...pos).trim()} has no meaning here; a text that begins with ! must be in quotes`,
      ),
    });
  // An anchor that contains its own alias never ends, and nested aliases grow exponentially.
  let values = 0;
  const limited = (at: Place, depth: number) => {
    if (++values <= 100_000 && depth <= 100) return;
    throw new TbuildError("usage", "its aliases expand to too much, or refer to themselves", {
      subject: placed(at),
    });
  };
  return located(document.contents, { place, limited, document }, place(0), 0);
}

const consequences = /^(Implicit keys need|Implicit map keys need)/;

/** The first error of each line. The parser reports others as a consequence. */
function causes(
  errors: readonly YAMLParseError[],
  lineOf: (error: YAMLParseError) => number,
): YAMLParseError[] {
  const lines = new Set<number>();
  return errors.filter((error) => {
    const [line, first] = [lineOf(error), lines.size === 0];
    const fresh = !lines.has(line);
    lines.add(line);
    return fresh && (first || !consequences.test(error.message));
  });
}

function wordedFault({ code, message, pos: [from] }: YAMLParseError, text: string): string {
  const rest = /^[^\n]*/.exec(text.slice(from))?.[0] ?? "";
  if (code === "DUPLICATE_KEY") return `${/^[\w.+-]*/.exec(rest)}: is set twice`;
  if (code === "MULTIPLE_DOCS") return "a second document begins here, but a file has only one";
  if (code === "BLOCK_AS_IMPLICIT_KEY") {
    if (message.startsWith("A block sequence"))
      return "its - is not in the same column as the list items above it";
    return /:(\s|$)/.test(rest)
      ? 'a value that contains ": " must be in quotes'
      : "it already has a value, but the next line is indented as a part of it";
  }
  if (code === "BLOCK_IN_FLOW" && /^[^,{}[\]]*:\s/.test(rest))
    return 'a value that contains ": " must be in quotes';
  if (code === "MULTILINE_IMPLICIT_KEY")
    return "is not a key, but is indented like one: is a colon missing, or is there a space too many?";
  if (code === "BAD_SCALAR_START") return `a value that begins with ${rest[0]} must be in quotes`;
  if (message.startsWith("All mapping items")) return "is not in the same column as its sibling keys";
  if (message.startsWith("Flow"))
    return `the ${/^Flow sequence/.test(message) ? "[" : "{"} above is not closed`;
  if (message.startsWith("Missing closing")) return `a ${message.includes('"') ? '"' : "'"} is not closed`;
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}

interface Reading {
  readonly place: (offset: number) => Place;
  readonly limited: (at: Place, depth: number) => void;
  readonly document: ReturnType<typeof parseDocument>;
}

/** The plain value, without positions. */
export function plain(located: Located): unknown {
  if (located.kind === "scalar") return located.value;
  if (located.kind === "list") return located.items.map(plain);
  return Object.fromEntries([...located.entries].map(([key, value]) => [key, plain(value)]));
}

/** The value at `path`. */
export function locatedAt(root: Located | undefined, path: readonly PropertyKey[]): Located | undefined {
  return path.reduce<Located | undefined>(
    (here, key) =>
      here?.kind === "map"
        ? here.entries.get(String(key))
        : here?.kind === "list"
          ? here.items[Number(key)]
          : undefined,
    root,
  );
}

/**
 * A path with indexes of its own file. In a merged list, items from other files do not count:
 * `packages.base.7` of the merged list is `packages.base.0` if it is the first item in the recipe itself.
 */
export function pathInFile(root: Located, path: readonly PropertyKey[]): string {
  const shown: string[] = [];
  let here: Located | undefined = root;
  for (const key of path) {
    const list: Located | undefined = here;
    here = list === undefined ? undefined : locatedAt(list, [key]);
    if (list?.kind !== "list" || here === undefined) shown.push(String(key));
    else {
      const { file } = here.at;
      shown.push(String(list.items.slice(0, Number(key)).filter((item) => item.at.file === file).length));
    }
  }
  return shown.join(".");
}

/** The position of the value at `path`, or of the nearest existing value above it. */
export function placeOf(root: Located, path: readonly PropertyKey[]): Place {
  let here = root;
  for (const key of path) {
    const next =
      here.kind === "map"
        ? here.entries.get(String(key))
        : here.kind === "list"
          ? here.items[Number(key)]
          : undefined;
    if (!next) return here.at;
    here = next;
  }
  return here.at;
}

export function placed(at: Place): string {
  return at.line === 0 ? at.file : `${at.file}:${at.line}:${at.column}`;
}

function located(node: Node | null, reading: Reading, above: Place, depth: number): Located {
  const { place, document } = reading;
  const at = node?.range ? place(node.range[0]) : above;
  reading.limited(at, depth);
  if (isAlias(node)) {
    const meant = node.resolve(document);
    if (meant === undefined)
      throw new TbuildError("usage", `${at.file}: not a YAML file`, {
        lines: [
          `${placed(at)}: *${node.source} names an anchor that is not above it; a text that begins with * must be in quotes`,
        ],
      });
    return located(meant, reading, at, depth + 1);
  }
  if (isMap(node)) {
    const entries = node.items.map((pair): [string, Located] => {
      const key = pair.key as Node;
      const keyAt = key.range ? place(key.range[0]) : at;
      const value = located(pair.value as Node | null, reading, keyAt, depth + 1);
      // An error in a scalar is shown at the scalar; an error in a block, at its key.
      return [
        isScalar(key) ? String(key.value) : String(key),
        value.kind === "scalar" ? value : { ...value, at: keyAt },
      ];
    });
    return { kind: "map", at, entries: new Map(entries) };
  }
  if (isSeq(node))
    return {
      kind: "list",
      at,
      items: node.items.map((item) => located(item as Node, reading, at, depth + 1)),
    };
  if (!isScalar(node)) return { kind: "scalar", at, value: undefined };
  const { value, source } = node;
  return { kind: "scalar", at, value, ...(typeof value === "number" && source !== undefined && { source }) };
}
