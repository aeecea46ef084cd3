import type { ModuleParts, Target } from "../module.ts";
import type { Call } from "../python/frame.ts";
import { everyNode, lineOf, part, parts } from "../python/script.ts";
import { isUnknown, type Value } from "../python/value.ts";
import type { ReadShell } from "../shell/read.ts";
import {
  type Command,
  commandsOf,
  earlyFindings,
  interpretedFile,
  networkFinding,
  shellCommands,
  startedFile,
} from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { leakOf, parameterIn, startOf } from "./leaks.ts";

/** Functions that ask at a terminal. */
export const asks = /^(?:raw_)?input$|^getpass\.getpass$|^sys\.stdin\.(?:read|readline|readlines)$/;

/** Errors in a call that the function of a target makes: a question, the network, or a command. */
export function callFindings(
  call: Call,
  target: Target,
  module: ModuleParts,
  secret: ReadonlySet<string>,
  read: ReadShell,
): ModuleFinding[] {
  const found: ModuleFinding[] = [];
  const line = lineOf(call.node);
  const add: AddHere = (level, text, remedy) => found.push({ level, file: module.file, line, text, remedy });
  if (asks.test(call.name))
    add(
      "error",
      `asks with ${call.name} at ${target}, but no one can answer`,
      "Take the value from a parameter",
    );
  const priority = module.header.priorities[target];
  const network = networkFinding(call.name, target, priority);
  if (network) add("error", network.text, network.remedy);
  const start = startOf(call);
  if (!start) return found;
  const words = start.how === "words" ? [] : wordsOf(start.argument);
  checkSecrets(start, secret, add);
  checkArguments(call, start, words, add);
  for (const one of commandsStarted(start, words, module.file, line, read)) {
    found.push(...earlyFindings(one, target, priority), ...programFileFindings(one, module));
    const started = startedFile(one.words, module.payload);
    if (started)
      for (const inner of shellCommands(started.file, module.payload, read))
        found.push(...earlyFindings(inner, target, priority));
  }
  return found;
}

type AddHere = (level: ModuleFinding["level"], text: string, remedy: string) => void;

type Start = NonNullable<ReturnType<typeof startOf>>;
type Words = readonly (string | undefined)[];

function checkSecrets(start: Start, secret: ReadonlySet<string>, add: AddHere): void {
  const leaked = leakOf(start, secret);
  if (leaked)
    add(
      "error",
      `puts ${leaked.key} on a command line, where every process list shows it`,
      "Pass it in the environment or on standard input",
    );
  const parameter = start.how === "shell" && !leaked ? parameterIn(start) : undefined;
  if (parameter)
    add(
      "warning",
      `builds a shell command of the parameter ${parameter.key}, whose value can contain any shell code`,
      "Use run_cmd with a list",
    );
}

/** Checks that the call passes the program and its arguments in the form that its function expects. */
function checkArguments(call: Call, { argument, how }: Start, words: Words, add: AddHere): void {
  const short = call.name.slice(call.name.lastIndexOf(".") + 1);
  if (how === "list" && isTextWithBlank(argument, argumentNode(call)))
    add(
      "error",
      `${short} gets a single text with a program and its arguments, and looks for a program with that complete name`,
      `Pass a list: ${short}(['/path/program', 'argument'])`,
    );
  if (how !== "shell" && Array.isArray(argument) && /^\S+\s+\S/.test(words[0] ?? ""))
    add(
      "error",
      `${short} gets a program and its arguments as one word, "${words[0]}", and looks for a program of that whole name`,
      "Make each argument a word of the list",
    );
  if (how === "shell" && Array.isArray(argument) && argument.length > 1)
    add(
      "error",
      `${short} with shell=True runs the first word of the list alone; the others are arguments of the shell`,
      "Leave out shell=True",
    );
  if (/^templateconfig\.common\.run_cmd$/.test(call.name) && typeof call.positional[1] === "string")
    add(
      "error",
      `${short} takes one list, but gets the arguments separately from the program`,
      `Pass a list: ${short}(['/path/program', 'argument'])`,
    );
}

/** The commands that a call starts, by itself or through a shell. */
function commandsStarted(
  { argument, how }: Start,
  words: Words,
  file: string,
  line: number,
  read: ReadShell,
): Command[] {
  const isShell = how === "shell";
  if (words.length === 0 || /\s/.test((!isShell && words[0]) || "")) return [];
  if (isShell && typeof argument === "string") return commandsOf(read(argument), file, line);
  return [{ words, file, line }, ...commandsOf(read(words.map(shellWord).join(" ")), file, line).slice(1)];
}

// The other words of a list are quoted, so that only `sh -c` gives more commands.
function shellWord(word: string | undefined): string {
  return word === undefined ? '"$x"' : `'${word.replaceAll("'", "'\\''")}'`;
}

// Checks that everything a module starts exists: files of its payload are executable, and files beside it are in the payload.
function programFileFindings(
  { words, line, file }: Command,
  { payload, name }: ModuleParts,
): ModuleFinding[] {
  const program = interpretedFile(words) ?? words[0];
  if (program === undefined) return [];
  const started = startedFile(words, payload);
  if (started && !started.direct) return [];
  if (started && (started.file.mode & 0o111) === 0)
    return [
      {
        level: "error",
        file: started.file.from,
        line: 1,
        text: `is started by the module, but is not executable`,
        remedy: `Run: chmod +x ${started.file.from}`,
      },
    ];
  if (/^\.\.?\//.test(program))
    return [
      {
        level: "error",
        file,
        line,
        text: `starts ${program}, and a module's folder at first boot is not that of its payload`,
        remedy: "Name the program with its whole path in the guest",
      },
    ];
  if (started || !program.startsWith("/")) return [];
  const beside = payload.some(({ path }) => folderOf(path) === folderOf(program));
  const own = beside || new RegExp(`/${name}(?:[/.-]|$)`).test(program);
  const isOurs = /^\/(?:opt|usr\/local|root|home|srv)\//.test(program);
  if (!own && !isOurs) return [];
  return [
    {
      level: own ? "error" : "warning",
      file,
      line,
      text: `starts ${program}, which is not in the payload`,
      remedy: own
        ? `Put it into payload${program}`
        : "Add it to the payload, or make sure that a package of the recipe contains it",
    },
  ];
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function argumentNode({ node }: Call) {
  const list = part(node, "arguments");
  return list ? parts(list)[0] : undefined;
}

function isTextWithBlank(value: Value | undefined, node: ReturnType<typeof argumentNode>): boolean {
  if (typeof value === "string") return /\S\s+\S/.test(value.trim());
  if (!isUnknown(value) || !node) return false;
  const texts = [...everyNode(node)].filter(({ type }) => type === "string_content").map(({ text }) => text);
  const isText =
    /^(?:string|concatenated_string|binary_operator)$/.test(node.type) ||
    /\.(?:format|join)$/.test(part(node, "function")?.text ?? "");
  return isText && texts.some((text) => /\S\s/.test(text));
}

function wordsOf(value: Value | undefined): (string | undefined)[] {
  if (typeof value === "string") return value.trim().split(/\s+/);
  if (!Array.isArray(value)) return [];
  return value.map((word) => (typeof word === "string" ? word : undefined));
}
