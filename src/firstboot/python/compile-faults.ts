import { type Incompatible, isBefore, type PythonVersion } from "./features.ts";
import { lineOf, type Node, type PythonScript, part, parts } from "./script.ts";

type Tell = (node: Node, text: string) => void;
type Rule = (node: Node, script: PythonScript, version: PythonVersion, tell: Tell) => void;

const functions = /^(?:function_definition|lambda)$/;
const loops = /^(?:for_statement|while_statement)$/;

/**
 * Syntax that Python's grammar accepts and its compiler refuses. Source: `Python/compile.c`, `symtable.c` and `ast.c` of
 * 2.7 and 3.6 to 3.9. The test compares these rules with the messages of real Pythons.
 */
const rules: Readonly<Record<string, Rule>> = {
  return_statement: (node, script, version, tell) => {
    const owner = within(node, script, functions, /^class_definition$/);
    if (owner === undefined) tell(node, "return outside a function");
    else if (parts(node).length > 0 && isBefore(version, [3, 3]) && isGenerator(owner, script))
      tell(node, "return with a value in a generator needs Python 3.3");
  },
  yield: (node, script, _version, tell) => {
    if (within(node, script, functions, /^class_definition$/) === undefined)
      tell(node, "yield outside a function");
  },
  break_statement: (node, script, _version, tell) => {
    if (within(node, script, loops, /_definition$/) === undefined) tell(node, "break outside a loop");
  },
  continue_statement: (node, script, version, tell) => {
    if (within(node, script, loops, /_definition$/) === undefined) tell(node, "continue outside a loop");
    else if (
      isBefore(version, [3, 8]) &&
      within(node, script, /^finally_clause$/, /_definition$|^(?:for|while)_statement$/)
    )
      tell(node, "continue in finally needs Python 3.8");
  },
  parameters: parameters,
  lambda_parameters: parameters,
  argument_list: (node, script, version, tell) => {
    if (script.above(node)?.type !== "call") return;
    let [keyword, splat, mapping] = [false, false, false];
    const names = new Set<string>();
    for (const one of parts(node)) {
      if (one.type === "keyword_argument") {
        const name = part(one, "name")?.text ?? "";
        if (names.has(name)) tell(one, `the argument ${name}= is given twice`);
        names.add(name);
        keyword = true;
        if (splat && isBefore(version, [2, 6]))
          tell(one, "an argument by keyword behind *list needs Python 2.6");
      } else if (one.type === "dictionary_splat") {
        if (mapping && isBefore(version, [3, 5])) tell(one, "several **dict in a call need Python 3.5");
        mapping = true;
      } else if (one.type === "list_splat") {
        if (splat && isBefore(version, [3, 5])) tell(one, "several *list in a call need Python 3.5");
        splat = true;
      } else if (keyword || mapping) tell(one, "an argument by position behind one by keyword");
      else if (splat && isBefore(version, [3, 5]))
        tell(one, "an argument by position behind *list needs Python 3.5");
    }
  },
  future_import_statement: (node, script, version, tell) => {
    for (const name of parts(node).map((one) => part(one, "name")?.text ?? one.text)) {
      const since = Object.hasOwn(futures, name) ? futures[name] : undefined;
      if (since === undefined) tell(node, `from __future__ import ${name}: there is no such feature`);
      else if (isBefore(version, since))
        tell(node, `from __future__ import ${name} needs Python ${since.join(".")}`);
    }
    if (!isAtStart(node, script)) tell(node, "from __future__ import has to be at the start of the file");
  },
  wildcard_import: (node, script, version, tell) => {
    if (!isBefore(version, [3, 0]) && within(node, script, /^(?:function|class)_definition$/) !== undefined)
      tell(node, "from … import * within a function or class was removed in Python 3");
  },
  decorator: (node, _script, version, tell) => {
    const [expression] = parts(node);
    const named = expression?.type === "call" ? part(expression, "function") : expression;
    if (isBefore(version, [3, 9]) && !/^[\w.]+$/.test(named?.text ?? ""))
      tell(node, "a decorator that is more than a name or a call needs Python 3.9");
  },
  with_clause: (node, _script, version, tell) => {
    const isTuple = node.children[0]?.text === "(" && /\bas\b/.test(node.text);
    if (isTuple && isBefore(version, [3, 9]))
      tell(node, "with and its managers in parentheses needs Python 3.9");
  },
  interpolation: (node, script, version, tell) => {
    if (!isBefore(version, [3, 12])) return;
    const quote = /^[a-zA-Z]*("""|'''|"|')/.exec(script.above(node)?.text ?? "")?.[1] ?? '"';
    if (node.text.includes(quote))
      tell(node, `the quote ${quote} within {} of an f-string needs Python 3.12`);
    else if (node.text.includes("\\")) tell(node, "a backslash within {} of an f-string needs Python 3.12");
  },
};

const futures: Readonly<Record<string, PythonVersion>> = {
  nested_scopes: [2, 2],
  generators: [2, 3],
  division: [2, 2],
  with_statement: [2, 5],
  absolute_import: [2, 5],
  print_function: [2, 6],
  unicode_literals: [2, 6],
  generator_stop: [3, 5],
  annotations: [3, 7],
};

/** The parts of a program that a version's compiler refuses, by line. */
export function compileFaults(script: PythonScript, version: PythonVersion): Incompatible[] {
  const found: Incompatible[] = [];
  if (script.root.hasError) return found;
  const tell: Tell = (node, text) => found.push({ line: lineOf(node), text });
  for (const node of script.nodes)
    if (Object.hasOwn(rules, node.type)) rules[node.type]?.(node, script, version, tell);
  return found;
}

function parameters(node: Node, _script: PythonScript, _version: PythonVersion, tell: Tell): void {
  const names = new Set<string>();
  let [hasDefault, keywordOnly] = [false, false];
  for (const one of parts(node)) {
    const isDefault = /default_parameter$/.test(one.type);
    const name = (isDefault ? part(one, "name") : one.type === "identifier" ? one : parts(one)[0])?.text;
    if (name !== undefined && /^\w+$/.test(name) && names.has(name))
      tell(one, `the argument ${name} is there twice`);
    if (name !== undefined) names.add(name);
    if (/splat|separator/.test(one.type)) keywordOnly ||= one.type !== "positional_separator";
    else if (isDefault) hasDefault = true;
    else if (hasDefault && !keywordOnly)
      tell(one, `the argument ${name} has no default, behind one that has`);
  }
}

/** The nearest node above of a type, up to one at which the search ends. */
function within(node: Node, script: PythonScript, type: RegExp, end?: RegExp): Node | undefined {
  let below = node;
  for (let above = script.above(node); above !== undefined; above = script.above(above)) {
    // The else of a loop is not in the loop.
    const isElse = below.type === "else_clause" && loops.test(above.type) && type === loops;
    if (type.test(above.type) && !isElse) return above;
    if (end?.test(above.type)) return undefined;
    below = above;
  }
  return undefined;
}

function isGenerator(owner: Node, script: PythonScript): boolean {
  return script.nodes.some(
    (node) => node.type === "yield" && within(node, script, functions)?.id === owner.id,
  );
}

function isAtStart(node: Node, script: PythonScript): boolean {
  for (const [index, one] of parts(script.root).entries()) {
    if (one.id === node.id) return true;
    const isText = one.type === "expression_statement" && parts(one)[0]?.type === "string";
    if (one.type !== "future_import_statement" && !(index === 0 && isText)) return false;
  }
  return false;
}
