import { type ShellCommand, type ShellProgram, type ShellWord, started } from "./read.ts";

/** A secret that a program puts on the command line of another. */
export interface Leak {
  readonly line: number;
  /** The variable that holds it, and the program whose command line has it. */
  readonly variable: string;
  readonly program: string;
}

const builtins = new Set(
  (
    ". : [ alias bg break cd continue declare echo eval exit export false fc fg getopts hash jobs kill let local mapfile print printf pushd " +
    "popd pwd read readarray readonly return set shift shopt source test trap true type typeset ulimit umask unalias unset wait whence"
  ).split(" "),
);

/** The commands that get a secret of the environment as an argument, where every process list shows it. */
export function secretLeaks(program: ShellProgram, secrets: readonly string[]): Leak[] {
  const isSecret = followed(program, secrets);
  return program.commands.flatMap(({ words, line, within, fed: read }) => {
    // A program that starts another has the secret on its own command line too.
    const command = /^(?:exec|command|builtin)$/.test(words[0]?.text ?? "") ? started(words) : words;
    const [first, ...rest] = command;
    const name = first?.text ?? "a program";
    if (builtins.has(name) || program.functions.has(name)) return [];
    // A function that runs its arguments has them all in its first word.
    const passed = first?.variables.some((one) => one === "@" || one === "*") ? [first] : [];
    // xargs makes arguments of what it reads.
    const fed = name.endsWith("xargs") ? read.filter((one) => isSecret(one, within)) : [];
    const variable = [...secretsOf([...passed, ...rest], within, isSecret), ...fed][0];
    return variable === undefined ? [] : [{ line, variable, program: name }];
  });
}

/** A secret that a script prints, or that `set -x` does. */
export interface Shown {
  readonly line: number;
  readonly variable: string;
  /** What shows it, such as `echo` or `set -x`. */
  readonly by: string;
}

/** The places where a script shows a secret on the console or in the log. `traces`: its shell was started with -x. */
export function secretsShown(program: ShellProgram, secrets: readonly string[], traces: boolean): Shown[] {
  const isSecret = followed(program, secrets);
  const isShown = shownIn(program);
  const [first = ""] = secrets;
  const printed = program.commands.flatMap((command): Shown[] => {
    const { words, line, within } = command;
    const [name, ...rest] = started(words).map(({ text }) => text?.replace(/^.*\//, ""));
    if (name === undefined || !isShown(command)) return [];
    const by = [name, ...rest.filter((word) => word?.startsWith("-"))].join(" ");
    if (printsEnvironment(name, rest)) return [{ line, variable: first, by }];
    const given = /^(?:echo|printf|print)$/.test(name)
      ? secretsOf(words.slice(1), within, isSecret)
      : /^(?:cat|tee|wall)$/.test(name)
        ? command.fed.filter((variable) => isSecret(variable, within))
        : [];
    return given.slice(0, 1).map((variable) => ({ line, variable, by }));
  });
  return [...printed, ...traced(program, isSecret, traces)].toSorted((a, b) => a.line - b.line);
}

// Every variable, with its value.
function printsEnvironment(name: string, rest: readonly (string | undefined)[]): boolean {
  if (/^(?:env|printenv|set)$/.test(name)) return rest.length === 0;
  return /^(?:export|declare|typeset)$/.test(name) && rest.length === 1 && /^-\w*p$/.test(rest[0] ?? "");
}

// What a function prints is shown if a call of it is.
function shownIn({ commands }: ShellProgram) {
  const isShown = ({ isShown: own, within }: ShellCommand, depth = 0): boolean =>
    own &&
    (within === undefined ||
      (depth < 10 && commands.some((one) => one.words[0]?.text === within && isShown(one, depth + 1))));
  return isShown;
}

// While set -x is on, the shell prints each command and assignment with its values.
function traced(
  { commands, assignments }: ShellProgram,
  isSecret: (name: string, within: string | undefined) => boolean,
  traces: boolean,
): Shown[] {
  const switches = commands.flatMap(({ words, line }) => {
    const [name, flag = "", option] = words.map(({ text }) => text);
    const [, sign] = (name === "set" && /^([-+])\w*x/.exec(flag)) || [];
    const [, long] = (name === "set" && option === "xtrace" && /^([-+])\w*o$/.exec(flag)) || [];
    const is = sign ?? long;
    return is === undefined ? [] : [{ line, on: is === "-" }];
  });
  const at = (line: number) => switches.findLast((one) => one.line < line) ?? { on: traces };
  const values = [
    ...commands.map(({ words, line, within }) => ({
      line,
      within,
      variables: words.flatMap(({ variables }) => variables),
    })),
    ...assignments,
  ];
  return values
    .flatMap(({ line, within, variables }): Shown[] => {
      const { on } = at(line);
      const variable = on ? variables.find((one) => isSecret(one, within)) : undefined;
      return variable === undefined ? [] : [{ line, variable, by: "set -x" }];
    })
    .toSorted((a, b) => a.line - b.line)
    .slice(0, 1);
}

// Which variables hold a secret: also those that got it from another, and the arguments of functions, as "function/1".
function followed({ commands, assignments, functions }: ShellProgram, secrets: readonly string[]) {
  const held = new Set<string>();
  const isSecret = (name: string, within: string | undefined) =>
    secrets.some(
      (one) => name === one || (name.startsWith(`${one}_`) && /^\d+$/.test(name.slice(one.length + 1))),
    ) ||
    held.has(name) ||
    held.has(`${within}/${name}`);
  for (let before = -1; held.size !== before; ) {
    before = held.size;
    for (const { name, variables, within } of assignments)
      if (variables.some((one) => isSecret(one, within))) held.add(name);
    for (const { words, within, fed } of commands) {
      const [first, ...rest] = words;
      if (first?.text === "read" && fed.some((one) => isSecret(one, within)))
        for (const { text } of rest) if (/^[A-Za-z_]\w*$/.test(text ?? "")) held.add(text ?? "");
      if (!functions.has(first?.text ?? "")) continue;
      for (const [index, word] of rest.entries())
        if (secretsOf([word], within, isSecret).length > 0)
          for (const name of [`${index + 1}`, "@", "*"]) held.add(`${first?.text}/${name}`);
    }
  }
  return isSecret;
}

function secretsOf(
  words: readonly ShellWord[],
  within: string | undefined,
  isSecret: (name: string, within: string | undefined) => boolean,
): string[] {
  return words.flatMap(({ variables }) => variables).filter((name) => isSecret(name, within));
}
