import { everyNode, lineOf, type Node, part, parts } from "../grammar.ts";

/** A place where a script uses a variable. */
export interface VariableUse {
  readonly name: string;
  /** Counted from 1. */
  readonly line: number;
  /** It has a value for an unset variable, such as `${NAME:-}`. */
  readonly isGuarded: boolean;
  /** The script ends there if it is not set: `${NAME:?}`. */
  readonly isDemanded: boolean;
}

export interface ShellVariables {
  readonly uses: readonly VariableUse[];
  /** The names that the script sets or declares, or that stand where something may set them. */
  readonly set: ReadonlySet<string>;
  /** The script may set any variable: `eval`, or a declaration of a name that is made at run time. */
  readonly setsAny: boolean;
  /** Arguments after the first, outside functions: in a script that neither shifts nor sets its arguments. */
  readonly furtherArguments: readonly VariableUse[];
  /** Words that the script compares its first argument with. */
  readonly comparedWith: readonly { readonly line: number; readonly word: string }[];
  /** An unset variable ends the script: `set -u`, and nowhere `set +u`. */
  readonly isStrict: boolean;
}

/** The variables of a shell program. */
export function variablesOf(root: Node): ShellVariables {
  const uses: VariableUse[] = [];
  const set = new Set<string>();
  const further: VariableUse[] = [];
  const comparedWith: { line: number; word: string }[] = [];
  let movesArguments = false;
  const above = new Map<number, Node>();
  let [setsAny, isStrict, isLoose] = [false, /^#!.*\s-\w*u/.test(root.text.split("\n", 1)[0] ?? ""), false];
  for (const node of everyNode(root, (child, parent) => above.set(child.id, parent))) {
    if (node.type === "variable_name" || node.type === "special_variable_name") {
      const parent = above.get(node.id);
      if (parent && /^(?:simple_)?expansion$/.test(parent.type)) {
        // Not $@ and the like, and not the names that begin with a text.
        const isDemanded = /^\$\{\w+:?\?/.test(textFrom(parent));
        const isGuarded = guards.test(textFrom(parent));
        if (/^[2-9]$/.test(node.text) && !isInFunction(node, above))
          further.push({ name: node.text, line: lineOf(node), isGuarded, isDemanded });
        if (/^[A-Za-z_]/.test(node.text) && !/^\$\{!\w+[@*]\}$/.test(textFrom(parent)))
          uses.push({ name: node.text, line: lineOf(node), isGuarded, isDemanded });
        if (/^\$\{\w+:?=/.test(textFrom(parent))) set.add(node.text);
      } else if (parent?.type === "subscript" && above.get(parent.id)?.type === "expansion")
        uses.push({ name: node.text, line: lineOf(node), isGuarded: true, isDemanded: false });
      else set.add(node.text);
    }
    if (node.type === "declaration_command")
      setsAny ||= parts(node).some(({ type }) =>
        /^(?:string|concatenation|(?:simple_)?expansion)$/.test(type),
      );
    const compared = node.type === "binary_expression" ? comparedWord(node) : undefined;
    if (compared !== undefined && !isInFunction(node, above))
      comparedWith.push({ line: lineOf(node), word: compared });
    if (node.type !== "command") continue;
    const [name = "", ...words] = parts(node).map(({ text }) => text);
    if (name === "eval") setsAny = true;
    if (name === "shift" || (name === "set" && !/^[-+]\w/.test(words[0] ?? "-x"))) movesArguments = true;
    if (setters.test(name)) for (const word of words) set.add(word.replace(/^["']?(\w*).*$/s, "$1"));
    if (name !== "set") continue;
    const long = words.some((word, index) => word === "nounset" && /^-\w*o$/.test(words[index - 1] ?? ""));
    isStrict ||= long || words.some((word) => /^-[a-zA-Z]*u/.test(word));
    isLoose ||= words.some((word) => /^\+\w*u|^\+o$/.test(word));
  }
  const furtherArguments = movesArguments ? [] : further;
  return { uses, set, setsAny, furtherArguments, comparedWith, isStrict: isStrict && !isLoose };
}

function isInFunction(node: Node, above: ReadonlyMap<number, Node>): boolean {
  for (let one: Node | undefined = node; one; one = above.get(one.id))
    if (one.type === "function_definition") return true;
  return false;
}

// The word of [ "$1" = word ].
function comparedWord(node: Node): string | undefined {
  const [left, right] = parts(node);
  if (!left || !right || !node.children.some((child) => /^==?$/.test(child?.text ?? ""))) return undefined;
  if (!/^"?\$(?:1|\{1(?::?-)?\})"?$/.test(left.text.trim())) return undefined;
  return /^["']?([\w-]+)["']?$/.exec(right.text)?.[1];
}

/** The text of an expansion. In a text in quotes, the grammar counts the blanks in front of it as a part of it. */
export function textFrom(expansion: Node): string {
  return expansion.text.trimStart();
}

const guards = /^\$\{!|^\$\{\w+:?[-+=]/;
const setters =
  /^(?:read|mapfile|readarray|getopts|printf|let|local|export|declare|typeset|unset|wait|coproc)$/;

/** What a `case` over an argument of the script does with a word. */
export interface ShellCase {
  /** Counted from 1. */
  readonly line: number;
  /** The variables in the word that it compares. */
  readonly of: readonly string[];
  /** Nothing follows it in the script. */
  readonly isLast: boolean;
  readonly branches: readonly { readonly patterns: readonly string[]; readonly fails: boolean }[];
}

/** A `case_statement`. A branch fails if it ends with an exit code other than 0. */
export function caseOf(node: Node, of: readonly string[], failing: ReadonlySet<string>): ShellCase {
  const items = parts(node).filter(({ type }) => type === "case_item");
  return {
    line: lineOf(node),
    of,
    isLast: node.parent?.type === "program" && parts(node.parent).at(-1)?.id === node.id,
    branches: items.map((item) => {
      const body = parts(item).filter(({ type }) => !/pattern|^word$|string|number|concatenation/.test(type));
      return { patterns: patternsOf(item), fails: body.some((one) => exits(one) || calls(one, failing)) };
    }),
  };
}

// The text in front of the bracket, since the grammar gives patterns several types.
function patternsOf(item: Node): string[] {
  const [before = ""] = item.text.split(")", 1);
  return before.split("|").map((one) => one.trim().replace(/^\(?\s*["']?(.*?)["']?$/s, "$1"));
}

function exits(node: Node): boolean {
  if (node.type !== "command" || part(node, "name")?.text !== "exit") return false;
  return /^[1-9]/.test(parts(node)[1]?.text ?? "");
}

function calls(node: Node, names: ReadonlySet<string>): boolean {
  const command = node.type === "redirected_statement" ? (part(node, "body") ?? node) : node;
  return command.type === "command" && names.has(part(command, "name")?.text ?? "");
}

/** The functions that end the script with an exit code other than 0, whatever they are given. */
export function failingFunctions(root: Node): Set<string> {
  const all = [...everyNode(root)].filter(({ type }) => type === "function_definition");
  return new Set(
    all
      .filter((one) => parts(part(one, "body") ?? one).some(exits))
      .map((one) => part(one, "name")?.text ?? ""),
  );
}
