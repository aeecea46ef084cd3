import { suggestion } from "../../recipe/suggestion.ts";
import { mainOf } from "../enumerate.ts";
import { type ModuleParts, type Target, targets } from "../module.ts";
import { compileFaults } from "../python/compile-faults.ts";
import { type Followed, follow } from "../python/evaluate.ts";
import { incompatibleSyntax, isBefore, type PythonVersion } from "../python/features.ts";
import { type Call, Endless } from "../python/frame.ts";
import { missingFromLibrary } from "../python/library.ts";
import { looseNames } from "../python/names.ts";
import { everyNode, lineOf, type PythonScript, part, parts, withPython } from "../python/script.ts";
import { sourceText } from "../python/source.ts";
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
import { keyFindings } from "./keys.ts";
import { leakOf, parameterIn, startOf } from "./leaks.ts";
import { deadlockFinding, secondsOf, sleepFinding, sleepProblem, waitFindings } from "./waits.ts";

/** A release that a module is for, such as `ol6`, with its Python. */
export interface ForRelease {
  readonly name: string;
  readonly python: PythonVersion;
}

/** The known declarations of a module. */
export interface ProgramFacts {
  readonly findings: readonly ModuleFinding[];
  /** The keys of all targets. */
  readonly keys: readonly string[];
  /** The requested releases whose Python reads the program. */
  readonly runsOn: readonly string[];
}

/**
 * Errors in a module's program: its syntax by release, its targets, its parameters, and the commands that it
 * runs.
 */
export async function programFindings(
  module: ModuleParts,
  releases: readonly ForRelease[],
  strict: boolean,
  read: ReadShell,
): Promise<ProgramFacts> {
  const text = sourceText(module.script);
  return withPython(text, (script) => {
    const findings: ModuleFinding[] = [];
    const add = (level: ModuleFinding["level"], line: number, what: string, remedy: string) =>
      findings.push({ level, file: module.file, line, text: what, remedy });
    const { readable, runsOn } = syntax(script, releases, strict, add);
    if (!readable) return { findings, keys: [], runsOn };
    for (const { name, line } of looseNames(script))
      add("error", line, `the name ${name} is not defined`, `Import or define it, or correct its spelling`);
    const keys = new Set<string>();
    try {
      const followed = follow(script);
      shape(script, followed, module, add);
      const place = { module, read, isSystemd: isSystemd(releases, strict, runsOn) };
      for (const target of targetsOf(followed)) {
        const { keys: more, findings: about } = keyFindings(followed, target, module.name);
        for (const key of more.keys()) keys.add(key);
        for (const one of about) add(one.level, one.line, one.text, one.remedy);
        findings.push(
          ...actionFindings(
            followed,
            target,
            place,
            [...more.keys()],
            new Set([...more].flatMap(([key, { password }]) => (password ? [key] : []))),
          ),
        );
      }
    } catch (error) {
      if (!(error instanceof Endless)) throw error;
      add("error", error.line, "never ends: this line is reached again and again", "Make the loop end");
    }
    return { findings: unique(findings), keys: [...keys], runsOn };
  });
}

type Add = (level: ModuleFinding["level"], line: number, text: string, remedy: string) => void;

/**
 * The releases whose Python reads the program, and the reasons of the others. Without `strict`, one that
 * reads it is enough.
 */
function syntax(
  script: PythonScript,
  releases: readonly ForRelease[],
  strict: boolean,
  add: Add,
): { readable: boolean; runsOn: string[] } {
  const byText = new Map<string, { line: number; text: string; names: string[] }>();
  const runsOn: string[] = [];
  let readable = true;
  for (const { name, python } of releases) {
    const refused = compileFaults(script, python);
    if (refused.length > 0) readable = false;
    const faults = [...incompatibleSyntax(script, python), ...refused, ...missingFromLibrary(script, python)];
    if (faults.length === 0) runsOn.push(name);
    for (const { line, text } of faults) {
      if (/^a syntax error$|is missing$/.test(text)) readable = false;
      const id = `${line} ${text}`;
      const known = byText.get(id) ?? { line, text, names: [] };
      known.names.push(`${name} (Python ${python.join(".")})`);
      byText.set(id, known);
    }
  }
  if (strict || runsOn.length === 0)
    for (const { line, text, names } of byText.values())
      add(
        "error",
        line,
        `${text}; fails on ${names.join(", ")}`,
        "Write it so that all of these versions can read it",
      );
  return { readable, runsOn };
}

function targetsOf(followed: Followed): Target[] {
  const named = [...(mainOf(followed).actions?.keys() ?? [])];
  return targets.filter((target) => named.includes(target));
}

// Checks that the header, the functions and the call of main agree.
function shape({ root, nodes }: PythonScript, followed: Followed, { header }: ModuleParts, add: Add): void {
  const { called, enumerator, actions } = mainOf(followed);
  const end = lineOf(root) + root.endPosition.row - root.startPosition.row;
  if (!called) {
    const asks = nodes.find(
      (node) => node.type === "call" && /^(?:\w+\.)*main$/.test(part(node, "function")?.text ?? ""),
    );
    if (asks)
      add(
        "error",
        lineOf(asks),
        "calls a main other than that of templateconfig.cli",
        "Add: from templateconfig.cli import main",
      );
    else
      add(
        "error",
        Math.max(1, end),
        "never calls main of templateconfig.cli, so it never runs",
        "End the script with main(do_enumerate, {'configure': do_configure})",
      );
    return;
  }
  const call = followed.calls.find(({ name }) => /^templateconfig(?:\.cli)?\.main$/.test(name));
  const line = call ? lineOf(call.node) : 1;
  if (!enumerator)
    add(
      "error",
      line,
      "the first argument of main is not a function of this script",
      "Pass the function that enumerates, do_enumerate",
    );
  else if (arity(enumerator) !== 1)
    add(
      "error",
      lineOf(enumerator.node),
      `${enumerator.name} takes ${arity(enumerator)} arguments; it is called with one, the target`,
      `Write def ${enumerator.name}(target):`,
    );
  if (!actions) {
    if (call?.positional[1] === undefined || !isUnknown(call.positional[1]))
      add("error", line, "main does not get a dict of targets", "Pass {'configure': do_configure}");
    return;
  }
  for (const [target, action] of actions) {
    if (!(targets as readonly string[]).includes(target)) {
      add(
        "error",
        line,
        `main gets the target "${target}", which does not exist`,
        `Targets: ${targets.join(", ")}`,
      );
      continue;
    }
    if (header.isComplete && !(target in header.priorities) && !header.faulty.some((one) => one === target))
      add(
        "error",
        line,
        `main has ${target}, but the header does not, so ovm-chkconfig makes no link, and it never runs`,
        `Add to the header: # ${target}: NN`,
      );
    if (!(action instanceof PythonFunction)) {
      add(
        "error",
        line,
        `the value for ${target} in main is not a function of this script`,
        `Define do_${target}(param)`,
      );
      continue;
    }
    if (arity(action) !== 1)
      add(
        "error",
        lineOf(action.node),
        `${action.name} takes ${arity(action)} arguments; it is called with one, the parameters`,
        `Write def ${action.name}(param):`,
      );
    const returned = followed.explore(action, [new Dumped(new Parameters())]).value;
    if (
      returned === null ||
      (!isUnknown(returned) && !(returned instanceof Dumped) && typeof returned !== "string")
    )
      add(
        "error",
        lineOf(action.node),
        `${action.name} does not return JSON text, which ovm-template-config reads`,
        "End it with return json.dumps(param)",
      );
  }
  for (const target of Object.keys(header.priorities))
    if (!actions.has(target))
      add(
        "error",
        line,
        `the header has ${target}, but main does not, so its link does nothing`,
        `Add '${target}': do_${target} to the dict for main, or remove the line from the header`,
      );
}

function arity({ node, self }: PythonFunction): number {
  const list = part(node, "parameters");
  const own = list ? parts(list).filter(({ type }) => !/default|splat|separator/.test(type)).length : 0;
  return own - (self === undefined ? 0 : 1);
}

const asks = /^(?:raw_)?input$|^getpass\.getpass$|^sys\.stdin\.(?:read|readline|readlines)$/;

interface Place {
  readonly module: ModuleParts;
  readonly read: ReadShell;
  /** Whether systemd starts the services there. */
  readonly isSystemd: boolean;
}

// Unless the check is strict, a module must fit one release only, so systemd counts if every usable release has it.
function isSystemd(releases: readonly ForRelease[], strict: boolean, runsOn: readonly string[]): boolean {
  const has = ({ python }: ForRelease) => !isBefore(python, [2, 7]);
  const usable = releases.filter(({ name }) => runsOn.includes(name));
  return strict ? releases.some(has) : usable.length > 0 && usable.every(has);
}

// Checks the commands that the function of a target runs.
function actionFindings(
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

function unique(findings: readonly ModuleFinding[]): ModuleFinding[] {
  return [...new Map(findings.map((one) => [`${one.file}:${one.line} ${one.text}`, one])).values()];
}
