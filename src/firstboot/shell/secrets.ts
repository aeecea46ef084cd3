import { type ShellProgram, type ShellWord, started } from "./read.ts";

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
  return program.commands.flatMap(({ words, line, within }) => {
    // A program that starts another has the secret on its own command line too.
    const command = /^(?:exec|command|builtin)$/.test(words[0]?.text ?? "") ? started(words) : words;
    const [first, ...rest] = command;
    const name = first?.text ?? "a program";
    if (builtins.has(name) || program.functions.has(name)) return [];
    const variable = secretsOf(rest, within, isSecret)[0];
    return variable === undefined ? [] : [{ line, variable, program: name }];
  });
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
    for (const { words, within } of commands) {
      const [first, ...rest] = words;
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
