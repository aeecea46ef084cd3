import { suggestion } from "../../recipe/suggestion.ts";
import { mainOf } from "../enumerate.ts";
import type { ModuleParts, Target } from "../module.ts";
import type { Followed } from "../python/evaluate.ts";
import type { Call } from "../python/frame.ts";
import { everyNode, lineOf, part, parts } from "../python/script.ts";
import { Dumped, Given, isUnknown, Parameters, PythonFunction, type Value } from "../python/value.ts";
import type { ReadShell } from "../shell/read.ts";
import { shippedOwner } from "../shipped.ts";
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
import { deadlockFinding, secondsOf, sleepFinding, sleepProblem, waitFindings } from "./waits.ts";

const asks = /^(?:raw_)?input$|^getpass\.getpass$|^sys\.stdin\.(?:read|readline|readlines)$/;

/** Where a target runs. */
export interface Place {
  readonly module: ModuleParts;
  readonly read: ReadShell;
  /** Whether systemd starts the services there. */
  readonly isSystemd: boolean;
}

/** Checks the commands that the function of a target runs. */
export function actionFindings(
  followed: Followed,
  target: Target,
  place: Place,
  keys: readonly string[],
  secret: ReadonlySet<string>,
): ModuleFinding[] {
  const { module } = place;
  const action = mainOf(followed).actions?.get(target);
  if (!(action instanceof PythonFunction)) return [];
  const { enumerator } = mainOf(followed);
  const asked = enumerator
    ? followed.explore(enumerator, [target]).calls.filter(({ name }) => asks.test(name))
    : [];
  const parameters = new Parameters(keys.map((key) => [key, new Given(key)]));
  const { calls, doubts } = followed.explore(action, [new Dumped(parameters)]);
  return [
    ...[...asked, ...calls].flatMap((call) => callFindings(call, target, place, secret)),
    ...doubts.flatMap(({ fault, reason, line }): ModuleFinding[] =>
      fault !== "endless"
        ? []
        : [
            {
              level: "warning",
              file: module.file,
              line,
              text: `${action.name} ${reason}, without a limit`,
              remedy: "Count the rounds, and fail with a message after the last",
            },
          ],
    ),
    ...strangeKeys(parameters, keys).map(
      ({ key, meant }): ModuleFinding => ({
        level: "warning",
        file: module.file,
        line: lineOf(action.node),
        text: `${action.name} reads ${key}, which ${enumerator?.name ?? "nothing"} does not enumerate${meant}`,
        remedy: "Enumerate it, or correct its spelling",
      }),
    ),
  ];
}

// Keys that are meant to be the module's own. It may also read those of others.
function strangeKeys({ asked }: Parameters, keys: readonly string[]) {
  const spaceOf = (key: string) => key.slice(0, key.lastIndexOf("."));
  const plain = (key: string) => key.replaceAll(/\.\d+(?=\.|$)/g, ".0");
  const known = keys.map(plain);
  return [...asked]
    .filter((key) => key.includes(".") && shippedOwner(key) === undefined && !known.includes(plain(key)))
    .map((key) => ({ key, meant: suggestion(key, keys).replace(/^; available.*/, "") }))
    .filter(({ key, meant }) => meant !== "" || keys.some((one) => spaceOf(one) === spaceOf(key)));
}

function callFindings(
  call: Call,
  target: Target,
  place: Place,
  secret: ReadonlySet<string>,
): ModuleFinding[] {
  const { module, read } = place;
  const found: ModuleFinding[] = [];
  const line = lineOf(call.node);
  const add = (level: ModuleFinding["level"], text: string, remedy: string) =>
    found.push({ level, file: module.file, line, text, remedy });
  const short = call.name.slice(call.name.lastIndexOf(".") + 1);
  if (asks.test(call.name))
    add(
      "error",
      `asks with ${call.name} at ${target}, but no one can answer`,
      "Take the value from a parameter",
    );
  const priority = module.header.priorities[target];
  const network = networkFinding(call.name, target, priority);
  if (network) add("error", network.text, network.remedy);
  const [slept] = call.name === "time.sleep" ? call.positional : [];
  const sleep = typeof slept === "number" ? sleepProblem(slept, secondsOf(module)) : undefined;
  if (sleep) add("error", sleep.text, sleep.remedy);
  const start = startOf(call);
  if (!start) return found;
  const { argument, how } = start;
  const isShell = how === "shell";
  const leaked = leakOf(start, secret);
  if (leaked)
    add(
      "error",
      `puts ${leaked.key} on a command line, where every process list shows it`,
      "Pass it in the environment or on standard input",
    );
  const first = argumentNode(call);
  if (how === "list" && isTextWithBlank(argument, first))
    add(
      "error",
      `${short} gets a single text with a program and its arguments, and looks for a program with that complete name`,
      `Pass a list: ${short}(['/path/program', 'argument'])`,
    );
  const words = how === "words" ? [] : wordsOf(argument);
  if (!isShell && Array.isArray(argument) && /^\S+\s+\S/.test(words[0] ?? ""))
    add(
      "error",
      `${short} gets a program and its arguments as one word, "${words[0]}", and looks for a program of that whole name`,
      "Make each argument a word of the list",
    );
  if (isShell && Array.isArray(argument) && argument.length > 1)
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
  const parameter = isShell && !leaked ? parameterIn(start) : undefined;
  if (parameter)
    add(
      "warning",
      `builds a shell command of the parameter ${parameter.key}, whose value can contain any shell code`,
      "Use run_cmd with a list",
    );
  if (words.length === 0 || /\s/.test((!isShell && words[0]) || "")) return found;
  const isText = isShell && typeof argument === "string";
  const command: Command = { words, file: module.file, line };
  const commands = isText
    ? commandsOf(read(argument), module.file, line)
    : [command, ...commandsOf(read(words.map(shellWord).join(" ")), module.file, line).slice(1)];
  for (const one of commands) {
    found.push(...commandFindings(one, target, place), ...programFileFindings(one, module));
    const started = startedFile(one.words, module.payload);
    if (!started) continue;
    for (const inner of shellCommands(started.file, module.payload, read))
      found.push(...commandFindings(inner, target, place));
    found.push(...waitFindings(started.file, module.payload, read, target));
  }
  return found;
}

// What a command needs, waits for, or blocks at its target.
function commandFindings(command: Command, target: Target, { module, isSystemd }: Place): ModuleFinding[] {
  const sleep = sleepFinding(command, secondsOf(module));
  const deadlock = isSystemd ? deadlockFinding(command, target, module.payload) : undefined;
  return [
    ...earlyFindings(command, target, module.header.priorities[target]),
    ...(sleep ? [sleep] : []),
    ...(deadlock ? [deadlock] : []),
  ];
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
