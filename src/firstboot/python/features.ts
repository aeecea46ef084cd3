import { everyNode, lineOf, type Node, type PythonScript, part, parts } from "./script.ts";

/** A version of Python: `[2, 6]` is 2.6. */
export type PythonVersion = readonly [major: number, minor: number];

/** Something in a program that a version of Python refuses, and the line. */
export interface Incompatible {
  readonly line: number;
  readonly text: string;
}

interface Feature {
  readonly what: string;
  /** The first version that reads it. */
  readonly since?: PythonVersion;
  /** The last version that reads it. */
  readonly until?: PythonVersion;
  readonly types: readonly string[];
  readonly is: (node: Node, program: Program) => boolean;
}

interface Program {
  readonly above: (node: Node) => Node | undefined;
  /** Names of `from __future__ import`. */
  readonly future: ReadonlySet<string>;
}

const always = () => true;
const has = (node: Node, text: string) => node.children.some((child) => child?.text === text);
const prefixOf = (node: Node) => /^[a-zA-Z]*/.exec(node.text)?.[0].toLowerCase() ?? "";
const kindsOf = (node: Node) => parts(node).map(({ type }) => type);

/**
 * Syntax that not every Python from 2.4 to 3 can read. Source: "What's New in Python" for 2.5 to 3.11, and
 * the grammar in each version's Language Reference. The order of the entries has no meaning.
 */
const features: readonly Feature[] = [
  // New in 2.5 to 2.7
  {
    what: "a conditional expression (x if a else b)",
    since: [2, 5],
    types: ["conditional_expression"],
    is: always,
  },
  {
    what: "try with both except and finally",
    since: [2, 5],
    types: ["try_statement"],
    is: (node) => kindsOf(node).includes("finally_clause") && kindsOf(node).includes("except_clause"),
  },
  { what: "a relative import", since: [2, 5], types: ["relative_import"], is: always },
  {
    what: "with",
    since: [2, 6],
    types: ["with_statement"],
    is: (_node, { future }) => !future.has("with_statement"),
  },
  {
    what: "with",
    since: [2, 5],
    types: ["with_statement"],
    is: (_node, { future }) => future.has("with_statement"),
  },
  {
    what: "except X as e",
    since: [2, 6],
    types: ["except_clause"],
    is: (node) => has(node, "as") || kindsOf(node)[0] === "as_pattern",
  },
  {
    what: "a bytes literal (b'...')",
    since: [2, 6],
    types: ["string"],
    is: (node) => /^b|^r?b/.test(prefixOf(node)),
  },
  {
    what: "an octal number with 0o",
    since: [2, 6],
    types: ["integer"],
    is: (node) => /^0o/i.test(node.text),
  },
  { what: "a binary number (0b)", since: [2, 6], types: ["integer"], is: (node) => /^0b/i.test(node.text) },
  {
    what: "a class with a decorator",
    since: [2, 6],
    types: ["decorated_definition"],
    is: (node) => part(node, "definition")?.type === "class_definition",
  },
  { what: "a set literal", since: [2, 7], types: ["set"], is: always },
  { what: "a set comprehension", since: [2, 7], types: ["set_comprehension"], is: always },
  { what: "a dict comprehension", since: [2, 7], types: ["dictionary_comprehension"], is: always },
  {
    what: "with and several managers",
    since: [2, 7],
    types: ["with_clause"],
    is: (node) => parts(node).filter(({ type }) => type === "with_item").length > 1,
  },
  // New in 3
  { what: "nonlocal", since: [3, 0], types: ["nonlocal_statement"], is: always },
  {
    what: "raise … from",
    since: [3, 0],
    types: ["raise_statement"],
    is: (node) => part(node, "cause") !== undefined,
  },
  {
    what: "an annotation of a parameter",
    since: [3, 0],
    types: ["typed_parameter", "typed_default_parameter"],
    is: always,
  },
  {
    what: "an annotation of a return value",
    since: [3, 0],
    types: ["function_definition"],
    is: (node) => part(node, "return_type") !== undefined,
  },
  { what: "keyword-only parameters", since: [3, 0], types: ["keyword_separator"], is: always },
  {
    what: "an assignment to *name",
    since: [3, 0],
    types: ["list_splat_pattern"],
    is: (node, { above }) => !/parameters$/.test(above(node)?.type ?? ""),
  },
  {
    what: "print() with a keyword argument",
    since: [3, 0],
    types: ["call"],
    is: (node, { future }) =>
      part(node, "function")?.text === "print" &&
      !future.has("print_function") &&
      kindsOf(part(node, "arguments") ?? node).includes("keyword_argument"),
  },
  {
    what: "a metaclass or another keyword in a class",
    since: [3, 0],
    types: ["class_definition"],
    is: (node) => kindsOf(part(node, "superclasses") ?? node).includes("keyword_argument"),
  },
  { what: "yield from", since: [3, 3], types: ["yield"], is: (node) => has(node, "from") },
  {
    what: "matrix multiplication (@)",
    since: [3, 5],
    types: ["binary_operator"],
    is: (node) => part(node, "operator")?.text === "@",
  },
  {
    what: "async",
    since: [3, 5],
    types: ["function_definition", "for_statement", "with_statement"],
    is: (node) => has(node, "async"),
  },
  { what: "await", since: [3, 5], types: ["await"], is: always },
  {
    what: "* in a list or a tuple",
    since: [3, 5],
    types: ["list_splat"],
    is: (node, { above }) => ["list", "tuple", "set"].includes(above(node)?.type ?? ""),
  },
  {
    what: "** in a dict",
    since: [3, 5],
    types: ["dictionary_splat"],
    is: (node, { above }) => above(node)?.type === "dictionary",
  },
  { what: "an f-string", since: [3, 6], types: ["string"], is: (node) => prefixOf(node).includes("f") },
  {
    what: "_ in a number",
    since: [3, 6],
    types: ["integer", "float"],
    is: (node) => node.text.includes("_"),
  },
  {
    what: "an annotation of a variable",
    since: [3, 6],
    types: ["assignment"],
    is: (node) => part(node, "type") !== undefined,
  },
  { what: ":=", since: [3, 8], types: ["named_expression"], is: always },
  { what: "positional-only parameters", since: [3, 8], types: ["positional_separator"], is: always },
  {
    what: "= in an f-string",
    since: [3, 8],
    types: ["interpolation"],
    is: (node) => node.children.some((child) => child !== null && !child.isNamed && child.text === "="),
  },
  { what: "match", since: [3, 10], types: ["match_statement"], is: always },
  { what: "except*", since: [3, 11], types: ["except_group_clause"], is: always },
  // Removed in 3
  {
    what: "async or await as a name",
    until: [3, 6],
    types: ["identifier"],
    is: (node) => /^(?:async|await)$/.test(node.text),
  },
  { what: "the print statement", until: [2, 7], types: ["print_statement"], is: always },
  {
    what: "the exec statement",
    until: [2, 7],
    types: ["exec_statement"],
    is: (node) => !/^exec\s*\(/.test(node.text),
  },
  {
    what: "except X, e",
    until: [2, 7],
    types: ["except_clause"],
    is: (node) => has(node, ","),
  },
  {
    what: "raise X, value",
    until: [2, 7],
    types: ["raise_statement"],
    is: (node) => kindsOf(node)[0] === "expression_list",
  },
  { what: "<>", until: [2, 7], types: ["comparison_operator"], is: (node) => has(node, "<>") },
  { what: "backquotes", until: [2, 7], types: ["string"], is: (node) => node.text.startsWith("`") },
  {
    what: "an octal number that starts with 0",
    until: [2, 7],
    types: ["integer"],
    is: (node) => /^0[0-9]*[1-9][0-9]*[lL]?$/.test(node.text),
  },
  { what: "a long number (L)", until: [2, 7], types: ["integer"], is: (node) => /[lL]$/.test(node.text) },
  { what: "a ur'' literal", until: [2, 7], types: ["string"], is: (node) => prefixOf(node) === "ur" },
  {
    what: "an index into map(), filter(), zip(), .keys(), .values() or .items()",
    until: [2, 7],
    types: ["subscript"],
    is: (node) => isViewOf(part(node, "value")),
  },
  {
    what: ".sort() of what .keys(), .values(), .items(), map(), filter() or zip() give",
    until: [2, 7],
    types: ["call"],
    is: sortsView,
  },
  {
    what: "a tuple as a parameter",
    until: [2, 7],
    types: ["tuple_pattern"],
    is: (node, { above }) => /parameters$/.test(above(node)?.type ?? ""),
  },
];

// Lists in Python 2. Python 3 gives views and iterators.
function isViewOf(node: Node | undefined): boolean {
  if (node?.type !== "call") return false;
  const called = part(node, "function");
  const list = part(node, "arguments");
  if (called?.type === "identifier") return /^(?:map|filter|zip)$/.test(called.text);
  const method = called && part(called, "attribute")?.text;
  const isMethod = /^(?:keys|values|items)$/.test(method ?? "");
  return isMethod && list !== undefined && parts(list).length === 0;
}

// The name is set once in its function, or in the module: to a view.
function sortsView(node: Node, { above }: Program): boolean {
  const called = part(node, "function");
  if (!called) return false;
  const object = part(called, "object");
  if (object?.type !== "identifier" || part(called, "attribute")?.text !== "sort") return false;
  let scope = above(node);
  while (scope && !/^(?:function_definition|module)$/.test(scope.type)) scope = above(scope);
  const set = scope
    ? [...everyNode(scope)].filter(
        (one) => one.type === "assignment" && part(one, "left")?.text === object.text,
      )
    : [];
  const [only] = set;
  return only !== undefined && set.length === 1 && isViewOf(part(only, "right"));
}

const byType = new Map<string, Feature[]>();
for (const feature of features)
  for (const type of feature.types) byType.set(type, [...(byType.get(type) ?? []), feature]);

/**
 * The syntax of a program that a version of Python refuses, by line. The parser covers all versions, so its
 * own errors are errors in every version.
 */
export function incompatibleSyntax(script: PythonScript, version: PythonVersion): Incompatible[] {
  const { root, nodes } = script;
  const program = { future: futureNames(root), above: (node: Node) => script.above(node) };
  const found = new Map<string, Incompatible>();
  const add = (line: number, what: string) => found.set(`${line} ${what}`, { line, text: what });
  for (const node of nodes) {
    if (node.isError || node.isMissing) {
      add(lineOf(node), node.isMissing ? `"${node.type}" is missing` : "a syntax error");
      continue;
    }
    for (const { what, since, until, is } of byType.get(node.type) ?? []) {
      if (since && isBefore(version, since) && is(node, program))
        add(lineOf(node), `${what} needs Python ${since.join(".")}`);
      if (until && isBefore(until, version) && is(node, program))
        add(lineOf(node), `${what} was removed in Python ${until[0] === 2 ? "3" : `3.${until[1] + 1}`}`);
    }
  }
  for (const { line, text: what } of layoutFaults(script, version)) add(line, what);
  return [...found.values()].sort((a, b) => a.line - b.line);
}

function futureNames(root: Node): Set<string> {
  const names = parts(root).flatMap((node) =>
    node.type === "future_import_statement" ? parts(node).map(({ text }) => text) : [],
  );
  return new Set(names);
}

/** Whether a version is older than another. */
export function isBefore([major, minor]: PythonVersion, [thanMajor, thanMinor]: PythonVersion): boolean {
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}

// Python 2 refuses letters beyond ASCII without a line that names the encoding (PEP 263).
function layoutFaults(script: PythonScript, [major]: PythonVersion): Incompatible[] {
  const { text } = script;
  const found: Incompatible[] = [];
  const lines = text.split("\n");
  const named = /^#!.*\bpython([23])/.exec(lines[0] ?? "")?.[1];
  if (named !== undefined && Number(named) !== major)
    found.push({
      line: 1,
      text: `the first line names Python ${named}, but the additions are for Python ${major}`,
    });
  const names = lines.slice(0, 2).some((line) => /^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+/.test(line));
  const at = lines.findIndex((line) => /[^\0-\x7f]/.test(line));
  if (major < 3 && !names && !text.startsWith("\ufeff") && at >= 0)
    found.push({
      line: at + 1,
      text: "a letter beyond ASCII needs a line # -*- coding: utf-8 -*- under Python 2",
    });
  const hasTabs = /^ *\t/m.test(text);
  const wrong = hasTabs || !script.root.hasError ? wrongIndentation(lines, script, major) : undefined;
  if (wrong !== undefined)
    found.push({
      line: wrong + 1,
      text: hasTabs
        ? "tabs and blanks are mixed in the indentation"
        : "the indentation is that of no block above",
    });
  return found;
}

// Like Python's tokenizer: a tab extends to the next multiple of eight columns. For Python 3, the order of
// indentations must be the same if a tab is one column wide. This parser always counts a tab as eight columns
// more.
function wrongIndentation(lines: readonly string[], script: PythonScript, major: number): number | undefined {
  const opens = new Map<number, boolean>();
  const begun = new Set<number>();
  for (const node of script.nodes) {
    const above = script.above(node);
    const isClause = /_clause$/.test(node.type) && /_statement$/.test(above?.type ?? "");
    const isStatement = /^(?:module|block)$/.test(above?.type ?? "") && node.type !== "comment";
    if (!above || !(isClause || isStatement)) continue;
    const { row, column } = node.startPosition;
    const isFirst = above.type === "block" && !begun.has(above.id);
    begun.add(above.id);
    // A decorated function begins at its decorator; a block behind a colon begins within its line.
    if ((lines[row] ?? "").slice(0, column).trim() !== "") continue;
    // Of several statements in one line, the first counts; so it does for a block behind its colon.
    if (!opens.has(row)) opens.set(row, isFirst);
  }
  const open: { wide: number; narrow: number }[] = [{ wide: 0, narrow: 0 }];
  for (const [row, isFirst] of [...opens].sort(([a], [b]) => a - b)) {
    const indent = /^[ \t]*/.exec(lines[row] ?? "")?.[0] ?? "";
    const narrow = indent.length;
    const wide = [...indent].reduce((at, one) => (one === "\t" ? (Math.floor(at / 8) + 1) * 8 : at + 1), 0);
    if (!isFirst) while (open.length > 1 && (open.at(-1)?.wide ?? 0) > wide) open.pop();
    const top = open.at(-1) ?? { wide: 0, narrow: 0 };
    if (isFirst ? wide <= top.wide : wide !== top.wide) return row;
    if (major >= 3 && (isFirst ? narrow <= top.narrow : narrow !== top.narrow)) return row;
    if (isFirst) open.push({ wide, narrow });
  }
  return undefined;
}
