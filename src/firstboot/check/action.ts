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
  isAutomatic,
  networkFinding,
  noAutomount,
  shellCommands,
  startedFile,
} from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import type { NetworkMounts } from "./fstab.ts";
import {
  asService,
  endlessCall,
  leakOf,
  onlyWhether,
  parameterIn,
  type Start,
  shownBy,
  startOf,
} from "./leaks.ts";
import { shellWordIn } from "./list-words.ts";
import { enableFinding } from "./services.ts";
import { stopFindings } from "./stops.ts";
import { deadlockFinding, secondsOf, sleepFinding, sleepProblem, waitFindings } from "./waits.ts";

/** Calls that wait for a person. */
export const asks =
  /^(?:raw_)?input$|^signal\.pause$|^getpass\.getpass$|^sys\.stdin\.(?:read|readline|readlines)$|^breakpoint$|^pdb\.set_trace$|^code\.interact$/;

const readsFiles =
  /^(?:open|file|io\.open|glob\.i?glob|os\.(?:listdir|walk|stat|symlink|chdir|access)|shutil\..+|os\.path\..+)$/;

/** Where a target runs. */
export interface Place {
  readonly module: ModuleParts;
  readonly read: ReadShell;
  /** Whether systemd starts the services there. */
  readonly isSystemd: boolean;
  readonly mounts: NetworkMounts;
  /** Whether the programs that it starts may have something on standard input. */
  readonly hasInput: boolean;
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
      fault === "unparsed"
        ? [
            {
              level: "error",
              file: module.file,
              line,
              text: `${action.name} ${reason}`,
              remedy: "Parse it first: param = json.loads(param)",
            },
          ]
        : fault !== "endless"
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
  const { module } = place;
  const found: ModuleFinding[] = [];
  const add: AddHere = (level, text, remedy) =>
    found.push({ level, file: module.file, line: lineOf(call.node), text, remedy });
  if (asks.test(call.name))
    add(
      "error",
      `asks with ${call.name} at ${target}, but no one can answer`,
      "Take the value from a parameter",
    );
  if (/^(?:eval|exec)$/.test(call.name) && call.positional[0] instanceof Dumped)
    add(
      "error",
      `runs ${call.name} on the parameters, so that a value can be a program, and true is an unknown name`,
      "Parse them: param = json.loads(param)",
    );
  const shown = shownBy(call, secret);
  if (shown !== undefined)
    add(
      "error",
      `shows ${shown}: ${call.name.replace(/^.*\./, "")} prints it, and what a module prints is logged`,
      onlyWhether,
    );
  const endless = endlessCall(call);
  if (endless) add("error", `never ends: ${endless} serves until it is killed`, asService);
  const network = networkFinding(call.name, target, module.header.priorities[target]);
  if (network) add("error", network.text, network.remedy);
  const path = readsFiles.test(call.name) ? call.positional.find(isAutomatic) : undefined;
  if (path !== undefined && /^(?:re)?configure$/.test(target)) {
    const { text, remedy } = noAutomount(path, target);
    add("error", text, remedy);
  }
  const relative = /^(?:io\.)?open$/.test(call.name) ? call.positional[0] : undefined;
  if (
    typeof relative === "string" &&
    /^\.{0,2}\/?[\w.-]+(?:\/|\.\w+$)/.test(relative) &&
    !relative.startsWith("/")
  )
    add(
      "error",
      `opens ${relative}, but the module does not run in the folder of its payload`,
      "Write the whole path in the guest",
    );
  const mode = decimalMode(call);
  if (mode !== undefined)
    add(
      "error",
      `gives the mode ${mode} as a decimal number, which is ${mode.toString(8)} in octal`,
      `Write 0${mode} for Python 2, 0o${mode} for Python 2.6 and later`,
    );
  const [slept] = call.name === "time.sleep" ? call.positional : [];
  const sleep = typeof slept === "number" ? sleepProblem(slept, secondsOf(module)) : undefined;
  if (sleep) add("error", sleep.text, sleep.remedy);
  const start = startOf(call);
  if (start === undefined) return found;
  checkSecrets(start, secret, add);
  checkArguments(call, start, add);
  const here = { ...place, hasInput: place.hasInput || mayHaveInput(call, module) };
  for (const command of commandsOfStart(call, start, place))
    found.push(...startFindings(command, target, here));
  return found;
}

// Octal modes that lack their 0. As decimal numbers, all of them mean something odd.
function decimalMode({ name, positional, node }: Call): number | undefined {
  if (!/^os\.(?:chmod|makedirs|mkdir|umask|mkfifo)$/.test(name)) return undefined;
  const mode = positional.at(-1);
  const isUsual =
    typeof mode === "number" &&
    [400, 440, 600, 640, 644, 660, 664, 700, 710, 711, 750, 755, 770, 775, 777].includes(mode);
  return isUsual && new RegExp(`,\\s*${mode}\\s*\\)$`).test(node.text) ? mode : undefined;
}

// run_cmd with nothing but a command gives the program an empty standard input. With further arguments it may pass some. A
// program that another function starts inherits the module's.
function mayHaveInput({ name, positional, named }: Call, { yaml }: ModuleParts): boolean {
  if (yaml) return yaml.run.input === "json";
  return name !== "templateconfig.common.run_cmd" || positional.length > 1 || named.size > 0;
}

type AddHere = (level: ModuleFinding["level"], text: string, remedy: string) => void;

// What a command line reveals, and what a parameter could put into it.
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

// Texts where the called function takes lists, and the other way round.
function checkArguments(call: Call, start: Start, add: AddHere): void {
  const { argument, how } = start;
  const short = call.name.slice(call.name.lastIndexOf(".") + 1);
  const list = `Pass a list: ${short}(['/path/program', 'argument'])`;
  if (how === "list" && isTextWithBlank(argument, argumentNode(call)))
    add(
      "error",
      `${short} gets a program and its arguments as one text, and takes all of it for the program's name`,
      list,
    );
  const number =
    how !== "shell" && Array.isArray(argument) ? argument.find((one) => typeof one === "number") : undefined;
  if (number !== undefined)
    add("error", `${short} gets the number ${number} as a word, and takes texts only`, `Write '${number}'`);
  const [program] = how === "shell" || !Array.isArray(argument) ? [] : wordsOf(start);
  if (/^\S+\s+\S/.test(program ?? ""))
    add(
      "error",
      `${short} gets a program and its arguments as one word, "${program}", and takes all of it for the program's name`,
      "Make each argument a word of the list",
    );
  const word = how === "list" && Array.isArray(argument) ? shellWordIn(wordsOf(start)) : undefined;
  if (word) add("error", word.text, word.remedy);
  if (how === "shell" && Array.isArray(argument) && argument.length > 1)
    add(
      "error",
      `${short} with shell=True runs the first word of the list alone; the others are arguments of the shell`,
      "Leave out shell=True",
    );
  if (/^templateconfig\.common\.run_cmd$/.test(call.name) && typeof call.positional[1] === "string")
    add("error", `${short} takes one list, but gets the arguments separately from the program`, list);
}

// The commands that a call starts, with those of a shell in it. None if its program is not known.
function commandsOfStart(call: Call, start: Start, { module, read }: Place): Command[] {
  const { argument, how } = start;
  const { file } = module;
  const line = lineOf(call.node);
  const words = wordsOf(start);
  if (words.length === 0 || (how !== "shell" && /\s/.test(words[0] ?? ""))) return [];
  if (how === "shell" && typeof argument === "string") return commandsOf(read(argument), file, line);
  const isFed = call.named.has("stdin") || call.positional.length > 1;
  return [
    { words, file, line, isFed },
    ...commandsOf(read(words.map(shellWord).join(" ")), file, line).slice(1),
  ];
}

// What a started command does wrong, and the program of the payload that it starts.
function startFindings(command: Command, target: Target, place: Place): ModuleFinding[] {
  const { module, read } = place;
  const own = [...commandFindings(command, target, place), ...programFileFindings(command, module)];
  const started = startedFile(command.words, module.payload);
  if (!started) return own;
  const inside = shellCommands(started.file, module.payload, read);
  return [
    ...own,
    ...inside.flatMap((one) => commandFindings(one, target, place)),
    ...relativeFindings(inside),
    ...waitFindings(started.file, module.payload, read, target),
  ];
}

// Files that a script starts or reads in by a path from where it runs, before it changes to another folder.
function relativeFindings(commands: readonly Command[]): ModuleFinding[] {
  const changes = commands.findIndex(({ words: [name] }) => /^(?:cd|pushd)$/.test(name ?? ""));
  return commands
    .slice(0, changes < 0 ? undefined : changes)
    .flatMap(({ words, file, line }): ModuleFinding[] => {
      const reads = /^(?:\.|source)$/.test(words[0] ?? "");
      const path = reads ? words[1] : (interpretedFile(words) ?? words[0]);
      if (!/^\.{1,2}\/./.test(path ?? "")) return [];
      return [
        {
          level: "error",
          file,
          line,
          text: `${reads ? "reads in" : "starts"} ${path}, but the module does not run in the folder of its payload`,
          remedy: "Write the whole path in the guest, or change to the folder first",
        },
      ];
    });
}

// What a command needs, waits for, or blocks at its target.
function commandFindings(
  command: Command,
  target: Target,
  { module, isSystemd, hasInput, mounts }: Place,
): ModuleFinding[] {
  const sleep = sleepFinding(command, secondsOf(module));
  const deadlock = isSystemd ? deadlockFinding(command, target, module.payload) : undefined;
  return [
    ...earlyFindings(command, target, module.header.priorities[target], mounts),
    ...(sleep ? [sleep] : []),
    ...(deadlock ? [deadlock] : []),
    ...stopFindings(command, target, hasInput),
    ...enableFinding(command, module.payload),
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

// The words of the command; `undefined` for an unknown one.
function wordsOf({ how, argument: value }: Start): (string | undefined)[] {
  if (how === "words") return [];
  if (typeof value === "string") return value.trim().split(/\s+/);
  if (!Array.isArray(value)) return [];
  return value.map((word) => (typeof word === "string" ? word : undefined));
}
