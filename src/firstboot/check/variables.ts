import { distance } from "../../recipe/suggestion.ts";
import { type ModuleFile, type ModuleParts, type Target, targets } from "../module.ts";
import { type ModuleParameter, type ModuleYaml, variableOf } from "../module-yaml.ts";
import type { ReadShell, ShellProgram } from "../shell/read.ts";
import { isShell, shellFiles } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";

/**
 * What the programs of a module.yaml expect and do not get: variables of the environment that no parameter has, and words
 * that are not the target.
 */
export function expectationFindings({ payload, yaml }: ModuleParts, read: ReadShell): ModuleFinding[] {
  if (!yaml) return [];
  const programs = [
    { path: yaml.run.program, words: Object.keys(yaml.targets) as Target[] },
    ...(yaml.afterBoot ? [{ path: yaml.afterBoot.program, words: ["after-boot"] }] : []),
  ];
  return programs.flatMap(({ path, words }) => {
    const file = payload.find((one) => one.path === path);
    if (!file) return [];
    if (!isShell(file)) return environmentFindings(file, yaml);
    const files = shellFiles(file, payload, read);
    return [
      ...variableFindings(files, yaml),
      ...files.flatMap(([one, program]) => [
        ...caseFindings(one, program, words),
        ...argumentFindings(one, program),
        ...removalFindings(one, program, files, yaml),
      ]),
    ];
  });
}

// The program's environment has these; bash sets the others itself.
const known =
  /^(?:PATH|LANG|PYTHONPATH|PYTHONDONTWRITEBYTECODE|BASH\w*|COMP_\w+|LC_\w+|E?UID|PPID|S?RANDOM|SECONDS|EPOCH\w+|LINENO|GROUPS|HOST(?:NAME|TYPE)|OSTYPE|MACHTYPE|SHLVL|(?:OLD)?PWD|IFS|OPT(?:IND|ARG|ERR)|PS\d|FUNCNAME|PIPESTATUS|REPLY|SHELL|TERM|DIRSTACK|SHELLOPTS|MAPFILE|COPROC\w*|COLUMNS|LINES|_|\d+)$/;

// Whether anything else may set variables: eval, or a file that is read in and is not of the payload.
function isOpenSet(files: readonly [ModuleFile, ShellProgram][]): boolean {
  const own = files.map(([{ path }]) => path);
  return files.some(
    ([, { variables, commands }]) =>
      variables.setsAny ||
      commands.some(
        ({ words: [name, from] }) =>
          /^(?:\.|source)$/.test(name?.text ?? "") && !own.includes(from?.text ?? ""),
      ),
  );
}

// The variables of a script, and of the files of the payload that it reads in.
function variableFindings(files: readonly [ModuleFile, ShellProgram][], yaml: ModuleYaml): ModuleFinding[] {
  const set = new Set(files.flatMap(([, { variables }]) => [...variables.set]));
  const isOpen = isOpenSet(files);
  const isStrict = files[0]?.[1].variables.isStrict === true && !isOpen;
  return files.flatMap(([file, { variables }]) =>
    variables.uses.flatMap(({ name, line, isGuarded }): ModuleFinding[] => {
      if (set.has(name) || known.test(name) || isVariable(name, yaml)) return [];
      const add = (level: ModuleFinding["level"], text: string, remedy: string): ModuleFinding[] => [
        { level, file: file.from, line, text, remedy },
      ];
      const wrong = wrongNumber(name, yaml);
      if (wrong) return add(isGuarded ? "warning" : "error", `reads $${name}, ${wrong.text}`, wrong.remedy);
      if (isGuarded) return [];
      const meant = isOpen ? undefined : nearest(name, yaml);
      const remedy = meant
        ? `Write $${meant}, or give the module a parameter for it`
        : `Set it in the script, write \${${name}:-} if it may be missing, or give the module a parameter for it`;
      if (isStrict)
        return add("error", `reads $${name}, which nothing sets, and set -u ends the script there`, remedy);
      return meant
        ? add("warning", `reads $${name}, which nothing sets; did you mean $${meant}?`, remedy)
        : [];
    }),
  );
}

function isVariable(name: string, { parameters }: ModuleYaml): boolean {
  return parameters.some((one) =>
    one.index ? new RegExp(`^${variableOf(one.name)}_\\d+$`).test(name) : variableOf(one.name) === name,
  );
}

// A parameter that is numbered and its variable is not, or the other way round.
function wrongNumber(name: string, { parameters }: ModuleYaml) {
  const says = (one: ModuleParameter, text: string, remedy: string) => ({
    text: `but ${one.name} ${text}`,
    remedy,
  });
  const numbered = parameters.find((one) => one.index && variableOf(one.name) === name);
  if (numbered)
    return says(
      numbered,
      `is numbered: its values are in ${name}_0, ${name}_1 and so on`,
      `Read $${name}_0, or go through all: for name in $(compgen -v | grep -E '^${name}_[0-9]+$'); do value=\${!name}`,
    );
  const stem = name.replace(/_\d+$/, "");
  const single =
    stem === name ? undefined : parameters.find((one) => !one.index && variableOf(one.name) === stem);
  return (
    single &&
    says(single, `is not numbered: its value is in ${stem}`, "Read that, or add index: true to the parameter")
  );
}

// A misspelt variable, or one that is named without its first words, or with more of them.
function nearest(name: string, { parameters }: ModuleYaml): string | undefined {
  const all = parameters.map((one) => variableOf(one.name));
  // Of short names, most others are close.
  return all.find(
    (one) =>
      distance(name.toUpperCase(), one) <= (one.length > 5 ? 2 : one.length > 3 ? 1 : 0) ||
      name.endsWith(`_${one}`) ||
      one.endsWith(`_${name}`),
  );
}

// What Python and Perl read of the environment. Only names that are close to a parameter's, or have the wrong number.
function environmentFindings(file: ModuleFile, yaml: ModuleYaml): ModuleFinding[] {
  const text = Buffer.from(file.data).toString("utf8");
  const reads = /(?:environ(?:\.get\(|\[)|getenv\(|\$ENV\{)\s*["']?(\w+)["']?(?!["'\w]|\s*[\]}]\s*=[^=~])/g;
  return text.split("\n").flatMap((line, index) =>
    /^\s*#/.test(line)
      ? []
      : [...line.matchAll(reads)].flatMap(([, name = ""]): ModuleFinding[] => {
          if (known.test(name) || isVariable(name, yaml) || name === "HOME") return [];
          const wrong = wrongNumber(name, yaml);
          const meant = nearest(name, yaml);
          if (!wrong && meant === undefined) return [];
          return [
            {
              level: wrong ? "error" : "warning",
              file: file.from,
              line: index + 1,
              text: wrong
                ? `reads ${name} of the environment, ${wrong.text}`
                : `reads ${name} of the environment, which nothing sets; did you mean ${meant}?`,
              remedy: wrong
                ? "Read the variable that is set"
                : `Read ${meant}, or give the module a parameter for it`,
            },
          ];
        }),
  );
}

// Arguments that the program does not get: the target is the only one.
function argumentFindings(file: ModuleFile, { variables }: ShellProgram): ModuleFinding[] {
  const further = variables.furtherArguments
    .filter(({ isGuarded }) => !isGuarded)
    .map(
      ({ name, line }): ModuleFinding => ({
        level: "warning",
        file: file.from,
        line,
        text: `reads $${name}, but the program gets one argument, the target`,
        remedy: `Take the value from a parameter; in quotes, write \\$${name} for the $${name} of another program`,
      }),
    );
  const others = variables.comparedWith
    .filter(({ word }) => otherVerbs.test(word))
    .map(
      ({ line, word }): ModuleFinding => ({
        level: "warning",
        file: file.from,
        line,
        text: `compares its argument with ${word}, which is not a target`,
        remedy: `Targets: ${targets.join(", ")}`,
      }),
    );
  return [...further, ...others];
}

const otherVerbs =
  /^(?:start|stop|restart|config|conf|configured|Configure|clean|clean-up|setup|firstboot|unconfig)$/;

// rm -r of a path whose beginning is a variable that nothing sets.
function removalFindings(
  file: ModuleFile,
  { commands }: ShellProgram,
  files: readonly [ModuleFile, ShellProgram][],
  yaml: ModuleYaml,
): ModuleFinding[] {
  if (isOpenSet(files)) return [];
  const set = new Set(files.flatMap(([, { variables }]) => [...variables.set]));
  const guarded = new Set(
    files.flatMap(([, { variables }]) =>
      variables.uses.flatMap(({ name, isGuarded, isDemanded }) => (isGuarded || isDemanded ? [name] : [])),
    ),
  );
  const isUnset = (name: string) =>
    /^[A-Za-z_]/.test(name) &&
    !set.has(name) &&
    !guarded.has(name) &&
    !known.test(name) &&
    !isVariable(name, yaml);
  return commands.flatMap(({ words, line }): ModuleFinding[] => {
    const [name, ...rest] = words;
    if (!/^(?:\/bin\/)?rm$/.test(name?.text ?? "") || !rest.some(({ text }) => /^-\w*[rR]/.test(text ?? "")))
      return [];
    const [variable] = rest.flatMap(({ variables }) => variables).filter(isUnset);
    if (variable === undefined) return [];
    return [
      {
        level: "error",
        file: file.from,
        line,
        text: `removes a path with $${variable}, which nothing sets, so that it is another path`,
        remedy: `Write \${${variable}:?}, which ends the script if it is not set`,
      },
    ];
  });
}

// A case over the target that knows none of the module's, or ends with an error at one.
function caseFindings(
  file: ModuleFile,
  { cases, assignments }: ShellProgram,
  words: readonly string[],
): ModuleFinding[] {
  const isTarget = (name: string) =>
    name === "1" || assignments.some((one) => one.name === name && one.variables.join() === "1");
  return cases.flatMap(({ line, of, isLast, branches }): ModuleFinding[] => {
    if (of.length !== 1 || !isTarget(of[0] ?? "")) return [];
    const branchOf = (word: string) =>
      branches.find(({ patterns }) => patterns.some((one) => matches(one, word)));
    const others = words.filter((word) => !branchOf(word)?.patterns.some((one) => one === word));
    const failing = others.filter((word) => branchOf(word)?.fails);
    const add = (text: string, remedy: string): ModuleFinding[] => [
      { level: "error", file: file.from, line, text, remedy },
    ];
    const remedy = "The program gets the target as its argument; add a branch for it";
    if (failing.length > 0 && branches.length > 1)
      return add(`ends with an error at ${failing.join(", ")}: no branch of this case is for it`, remedy);
    if (isLast && words.every((word) => branchOf(word) === undefined))
      return add(`does nothing at ${words.join(", ")}: no branch of this case is for it`, remedy);
    return [];
  });
}

// A pattern of case. One that is not a plain word with * or ? counts as matching.
function matches(pattern: string, word: string): boolean {
  return !/^[\w.*?-]*$/.test(pattern) || matchesGlob(pattern, word);
}

/**
 * Whether a word matches a pattern with `*` and `?`. The time is at most the product of the two lengths, with any
 * number of stars: only the last star seen is tried again.
 */
function matchesGlob(pattern: string, word: string): boolean {
  let [at, star, tried] = [0, -1, 0];
  for (let i = 0; i < word.length; ) {
    if (at < pattern.length && (pattern[at] === word[i] || pattern[at] === "?")) {
      at++;
      i++;
    } else if (pattern[at] === "*") {
      star = at++;
      tried = i;
    } else {
      if (star < 0) return false;
      at = star + 1;
      i = ++tried;
    }
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
