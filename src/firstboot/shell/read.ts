import { everyNode, lineOf, type Node, parserOf, part, parts } from "../grammar.ts";
import { foreverOf, type ShellWait, waitOf } from "./waits.ts";

/** One word of a command. */
export interface ShellWord {
  /** Without quotes, and with an `x` for what is made at run time; `undefined` if all of it is. */
  readonly text: string | undefined;
  /** The variables whose values are in it. */
  readonly variables: readonly string[];
}

export interface ShellCommand {
  readonly words: readonly ShellWord[];
  /** Counted from 1. */
  readonly line: number;
  /** The function that it is in. */
  readonly within: string | undefined;
  /** The shell does not wait for it: `&`. */
  readonly isBackground: boolean;
  /** It reads a pipe, a file or a text of the script. */
  readonly isFed: boolean;
}

/** A variable that gets the values of others. */
export interface ShellAssignment {
  readonly name: string;
  readonly variables: readonly string[];
  readonly within: string | undefined;
}

/** A shell program that was parsed, not run. */
export interface ShellProgram {
  readonly hasError: boolean;
  /** Loops without a limit. */
  readonly waits: readonly ShellWait[];
  readonly commands: readonly ShellCommand[];
  readonly assignments: readonly ShellAssignment[];
  readonly functions: ReadonlySet<string>;
}

export type ReadShell = (text: string) => ShellProgram;

/** A reader of shell programs: sh and bash, and of ksh what they share. */
export async function shellReader(): Promise<ReadShell> {
  const parse = await parserOf("bash");
  const read = (text: string, depth: number): ShellProgram => parse(text, (root) => programOf(root, depth));
  // In quotes there may be a program again: sh -c "…".
  const programOf = (root: Node, depth: number): ShellProgram => {
    const commands: ShellCommand[] = [];
    const assignments: ShellAssignment[] = [];
    const functions = new Set<string>();
    const waits: ShellWait[] = [];
    const inFunction = new Map<number, string>();
    const above = new Map<number, Node>();
    const met = (child: Node, parent: Node) => {
      above.set(child.id, parent);
      const name =
        parent.type === "function_definition" ? part(parent, "name")?.text : inFunction.get(parent.id);
      if (name !== undefined) inFunction.set(child.id, name);
    };
    for (const node of everyNode(root, met)) {
      const within = inFunction.get(node.id);
      if (node.type === "function_definition") functions.add(part(node, "name")?.text ?? "");
      if (node.type === "command") {
        const isBackground = inBackground(node, above);
        const isFed = fed(node, above);
        const command = { words: commandWords(node), line: lineOf(node), within, isBackground, isFed };
        commands.push(command);
        const text = depth < 3 ? programText(command) : undefined;
        if (text === undefined) continue;
        const inner = read(text, depth + 1);
        commands.push(
          ...inner.commands.map((one) => ({ ...one, line: one.line + command.line - 1, within })),
        );
      }
      const isPrefix = above.get(node.id)?.type === "command";
      if (node.type === "variable_assignment" && !isPrefix) {
        const [name, value] = [part(node, "name")?.text ?? "", part(node, "value")];
        if (value) assignments.push({ name, variables: variablesIn(value), within });
      }
      const wait = node.type === "while_statement" ? waitOf(node) : undefined;
      if (wait) waits.push(wait);
      const forEver = node.type === "c_style_for_statement" ? foreverOf(node) : undefined;
      if (forEver) waits.push(forEver);
      if (node.type === "for_statement") {
        const [variable, ...values] = parts(node).filter(({ type }) => type !== "do_group");
        assignments.push({ name: variable?.text ?? "", variables: values.flatMap(variablesIn), within });
      }
    }
    return { hasError: root.hasError, waits, commands, assignments, functions };
  };
  return (text) => read(text, 0);
}

// Whether the shell goes on while a command, or what it is in, runs.
function inBackground(node: Node, above: ReadonlyMap<number, Node>): boolean {
  for (let one: Node | undefined = node; one && one.type !== "function_definition"; one = above.get(one.id))
    if (one.nextSibling?.type === "&") return true;
  return false;
}

// Whether a command, or what it is in, is behind a pipe or reads a file.
function fed(node: Node, above: ReadonlyMap<number, Node>): boolean {
  for (
    let [one, parent] = [node, above.get(node.id)];
    parent;
    [one, parent] = [parent, above.get(parent.id)]
  ) {
    if (parent.type === "pipeline" && parts(parent)[0]?.id !== one.id) return true;
    if (parent.type !== "redirected_statement") continue;
    if (
      parts(parent).some(
        ({ type, text }) => /^here/.test(type) || (type === "file_redirect" && /^\d*</.test(text)),
      )
    )
      return true;
  }
  return parts(node).some(({ type }) => /^here/.test(type));
}

const wrappers = /^(?:exec|command|builtin|nohup|sudo|time|env|setsid|ionice|nice|timeout)$/;

/** A command without the programs that only start another: `timeout 60 curl …` is `curl …`. */
export function started(words: readonly ShellWord[]): readonly ShellWord[] {
  let rest = words;
  while (wrappers.test(rest[0]?.text ?? "")) {
    const next = rest.findIndex(
      ({ text }, index) => index > 0 && text !== undefined && !/^-|^\w+=|^\d+[smhd]?$/.test(text),
    );
    if (next < 0) return rest;
    rest = rest.slice(next);
  }
  return rest;
}

/** The text that a command runs as a program: that of `sh -c`, `su -c` or `eval`. */
function programText({ words }: ShellCommand): string | undefined {
  const [program, ...rest] = started(words);
  const name = program?.text?.replace(/^.*\//, "") ?? "";
  if (name === "eval") return rest.map(source).join(" ");
  if (!/^(?:(?:ba|da|k|z|)sh|su|runuser)$/.test(name)) return undefined;
  const at = rest.findIndex(({ text }) => /^-(?:\w*c|-command)$/.test(text ?? ""));
  const given = at < 0 ? undefined : rest[at + 1];
  return given && source(given);
}

const sources = new WeakMap<ShellWord, string>();

function source(word: ShellWord): string {
  return sources.get(word) ?? word.text ?? "";
}

function commandWords(node: Node): ShellWord[] {
  return parts(node)
    .filter(({ type }) => type !== "variable_assignment" && !type.endsWith("_redirect"))
    .map((one) => {
      const word = { text: textOf(one), variables: variablesIn(one) };
      sources.set(word, unquoted(one));
      return word;
    });
}

const madeAtRunTime =
  /^(?:simple_expansion|expansion|command_substitution|process_substitution|arithmetic_expansion)$/;

function textOf(node: Node): string | undefined {
  if (madeAtRunTime.test(node.type)) return undefined;
  if (node.type === "command_name") return textOf(parts(node)[0] ?? node);
  if (node.type === "raw_string") return node.text.slice(1, -1);
  if (node.type === "ansi_c_string") return node.text.slice(2, -1);
  if (node.type === "string" || node.type === "concatenation") {
    const inside = parts(node);
    if (inside.length > 0 && inside.every(({ type }) => madeAtRunTime.test(type))) return undefined;
    const text = node.type === "string" ? node.text.slice(1, -1) : undefined;
    if (text !== undefined && inside.every(({ type }) => type === "string_content")) return text;
    return inside.map((one) => (one.type === "string_content" ? one.text : (textOf(one) ?? "x"))).join("");
  }
  return node.text.replaceAll(/\\(.)/gs, (_, one) => (one === "\n" ? "" : one));
}

// As it is written, without the quotes around it: what the shell reads again.
function unquoted(node: Node): string {
  if (node.type === "string" || node.type === "raw_string") return node.text.slice(1, -1);
  return node.text;
}

/** The variables whose values a word has. A command within it takes them, and gives something else. */
function variablesIn(node: Node): string[] {
  if (node.type === "command_substitution" || node.type === "process_substitution") return [];
  if (node.type === "simple_expansion") return [node.text.slice(1)];
  if (node.type === "expansion") {
    const [, name, operator] = /^\$\{(!?\w+|[@*#])(:?\+)?/.exec(node.text) ?? [];
    const inside = parts(node).slice(1).flatMap(variablesIn);
    return name === undefined || operator !== undefined ? inside : [name, ...inside];
  }
  return parts(node).flatMap(variablesIn);
}
