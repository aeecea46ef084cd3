import { everyNode, lineOf, type Node, parserOf, part, parts } from "../grammar.ts";
import { type BashFeature, bashFeatures } from "./bash-features.ts";
import { conditional, fed, inBackground, piped, replacedStreams, shown } from "./streams.ts";
import { type ShellTypo, typosOf } from "./typos.ts";
import {
  caseOf,
  failingFunctions,
  type ShellCase,
  type ShellVariables,
  textFrom,
  variablesOf,
} from "./variables.ts";
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
  /** What it prints is on the console or in a log, unless the caller of its function or script sends it elsewhere. */
  readonly isShown: boolean;
  /** Another program reads what it prints. */
  readonly isPiped: boolean;
  /** Whether it runs depends on something: `if`, `case`, `&&`, a loop. */
  readonly isConditional: boolean;
  /** The variables in a text of the script that it reads. */
  readonly fed: readonly string[];
}

/** A variable that gets the values of others. */
export interface ShellAssignment {
  readonly name: string;
  readonly variables: readonly string[];
  readonly within: string | undefined;
  readonly line: number;
}

/** A shell program that was parsed, not run. */
export interface ShellProgram {
  readonly hasError: boolean;
  /** Loops without a limit. */
  readonly waits: readonly ShellWait[];
  readonly commands: readonly ShellCommand[];
  readonly assignments: readonly ShellAssignment[];
  readonly functions: ReadonlySet<string>;
  readonly variables: ShellVariables;
  /** What it needs of a bash after 3.2. */
  readonly bashFeatures: readonly BashFeature[];
  readonly typos: readonly ShellTypo[];
  /** Each `case` outside functions. */
  readonly cases: readonly ShellCase[];
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
    const cases: ShellCase[] = [];
    const failing = failingFunctions(root);
    const inFunction = new Map<number, string>();
    const above = new Map<number, Node>();
    const met = (child: Node, parent: Node) => {
      above.set(child.id, parent);
      const name =
        parent.type === "function_definition" ? part(parent, "name")?.text : inFunction.get(parent.id);
      if (name !== undefined) inFunction.set(child.id, name);
    };
    const replaced = replacedStreams(root);
    for (const node of everyNode(root, met)) {
      const within = inFunction.get(node.id);
      if (node.type === "function_definition") functions.add(part(node, "name")?.text ?? "");
      const isSelect = node.type === "for_statement" && node.text.startsWith("select");
      // A declaration without a value, such as export -p, is a command like any other.
      const isListing = node.type === "declaration_command" && /^\w+\s+-\w+$/.test(node.text);
      if (node.type === "command" || isSelect || isListing) {
        const command: ShellCommand = {
          words: isSelect || isListing ? plainWords(node) : commandWords(node),
          line: lineOf(node),
          within,
          isBackground: inBackground(node, above),
          isFed: replaced.input || fed(node, above),
          isShown: !replaced.output && shown(node, above),
          isPiped: piped(node, above),
          isConditional: conditional(node, above),
          fed: fedTexts(node, above).flatMap(variablesIn),
        };
        commands.push(command);
        const text = depth < 3 ? programText(command) : undefined;
        if (text === undefined) continue;
        const inner = read(text, depth + 1);
        commands.push(
          ...inner.commands.map((one) => ({
            ...one,
            line: one.line + command.line - 1,
            within,
            isFed: one.isFed || command.isFed,
            isConditional: one.isConditional || command.isConditional,
            isShown: one.isShown && command.isShown,
          })),
        );
      }
      const isPrefix = above.get(node.id)?.type === "command";
      if (node.type === "variable_assignment" && !isPrefix) {
        const [name, value] = [part(node, "name")?.text ?? "", part(node, "value")];
        if (value) assignments.push({ name, variables: variablesIn(value), within, line: lineOf(node) });
      }
      const subject =
        node.type === "case_statement" && within === undefined ? part(node, "value") : undefined;
      if (subject) cases.push(caseOf(node, variablesIn(subject), failing));
      const wait = node.type === "while_statement" ? waitOf(node) : undefined;
      if (wait) waits.push(wait);
      const forEver = node.type === "c_style_for_statement" ? foreverOf(node) : undefined;
      if (forEver) waits.push(forEver);
      if (node.type === "for_statement") {
        const [variable, ...values] = parts(node).filter(({ type }) => type !== "do_group");
        const [name, variables] = [variable?.text ?? "", values.flatMap(variablesIn)];
        assignments.push({ name, variables, within, line: lineOf(node) });
      }
    }
    return {
      hasError: root.hasError,
      waits,
      commands,
      assignments,
      functions,
      variables: variablesOf(root),
      bashFeatures: bashFeatures(root),
      typos: typosOf(root),
      cases,
    };
  };
  return (text) => read(text, 0);
}

// `select`, or a declaration: their words have no values.
function plainWords({ type, text }: Node): ShellWord[] {
  const words = type === "for_statement" ? ["select"] : text.split(/\s+/);
  return words.map((word) => ({ text: word, variables: [] }));
}

// The texts of the script that a command reads.
function fedTexts(node: Node, above: ReadonlyMap<number, Node>): Node[] {
  const parent = above.get(node.id);
  const around = parent?.type === "redirected_statement" ? parts(parent) : [];
  return [...parts(node), ...around].filter(({ type }) => /^here/.test(type));
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

// $(printf '%s' "$X") gives the value itself.
function printedIn(node: Node): string[] {
  const [command, ...more] = parts(node);
  if (command?.type !== "command" || more.length > 0) return [];
  const [name, ...words] = parts(command);
  return /^(?:echo|printf)$/.test(name?.text ?? "") ? words.flatMap(variablesIn) : [];
}

/** The variables whose values a word has. A command within it takes them, and gives something else. */
function variablesIn(node: Node): string[] {
  if (node.type === "command_substitution") return printedIn(node);
  if (node.type === "process_substitution") return [];
  if (node.type === "simple_expansion") return [textFrom(node).slice(1)];
  if (node.type === "expansion") {
    const [, name, operator] = /^\$\{(!?\w+|[@*#])(:?\+)?/.exec(textFrom(node)) ?? [];
    const inside = parts(node).slice(1).flatMap(variablesIn);
    return name === undefined || operator !== undefined ? inside : [name, ...inside];
  }
  return parts(node).flatMap(variablesIn);
}
