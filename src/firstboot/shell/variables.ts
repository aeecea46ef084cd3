import { everyNode, lineOf, type Node, part, parts } from "../grammar.ts";

/** A place where a script uses a variable. */
export interface VariableUse {
  readonly name: string;
  /** Counted from 1. */
  readonly line: number;
  /** It has a value for an unset variable, such as `${NAME:-}`. */
  readonly isGuarded: boolean;
}

export interface ShellVariables {
  readonly uses: readonly VariableUse[];
  /** The names that the script sets or declares, or that stand where something may set them. */
  readonly set: ReadonlySet<string>;
  /** The script may set any variable: `eval`, or a declaration of a name that is made at run time. */
  readonly setsAny: boolean;
  /** An unset variable ends the script: `set -u`, and nowhere `set +u`. */
  readonly isStrict: boolean;
}

/** The variables of a shell program. */
export function variablesOf(root: Node): ShellVariables {
  const uses: VariableUse[] = [];
  const set = new Set<string>();
  const above = new Map<number, Node>();
  let [setsAny, isStrict, isLoose] = [false, /^#!.*\s-\w*u/.test(root.text.split("\n", 1)[0] ?? ""), false];
  for (const node of everyNode(root, (child, parent) => above.set(child.id, parent))) {
    if (node.type === "variable_name" || node.type === "special_variable_name") {
      const parent = above.get(node.id);
      if (parent && /^(?:simple_)?expansion$/.test(parent.type)) {
        // Not $@ and the like, and not the names that begin with a text.
        if (/^[A-Za-z_]/.test(node.text) && !/^\$\{!\w+[@*]\}$/.test(textFrom(parent)))
          uses.push({ name: node.text, line: lineOf(node), isGuarded: guards.test(textFrom(parent)) });
        if (/^\$\{\w+:?=/.test(textFrom(parent))) set.add(node.text);
      } else if (parent?.type === "subscript" && above.get(parent.id)?.type === "expansion")
        uses.push({ name: node.text, line: lineOf(node), isGuarded: true });
      else set.add(node.text);
    }
    if (node.type === "declaration_command")
      setsAny ||= parts(node).some(({ type }) =>
        /^(?:string|concatenation|(?:simple_)?expansion)$/.test(type),
      );
    if (node.type !== "command") continue;
    const [name = "", ...words] = parts(node).map(({ text }) => text);
    if (name === "eval") setsAny = true;
    if (setters.test(name)) for (const word of words) set.add(word.replace(/^["']?(\w*).*$/s, "$1"));
    if (name !== "set") continue;
    const long = words.some((word, index) => word === "nounset" && /^-\w*o$/.test(words[index - 1] ?? ""));
    isStrict ||= long || words.some((word) => /^-[a-zA-Z]*u/.test(word));
    isLoose ||= words.some((word) => /^\+\w*u|^\+o$/.test(word));
  }
  return { uses, set, setsAny, isStrict: isStrict && !isLoose };
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
