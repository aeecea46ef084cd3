import { type ParameterType, parameterTypes } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import type { Parameter } from "../model/manifest.ts";

/**
 * The contract, from the output of `ovm-template-config --enumerate configure`: JSON, or with
 * `--human-readable` the same as Python writes it. The root password comes last, because it starts the
 * configuration.
 */
export function parseContract(printed: string): Parameter[] {
  return contractOf(parseEnumerated(printed));
}

/** A module that runs at `configure`, with its parameters as it enumerates them. */
export interface EnumeratedModule {
  readonly priority: number;
  readonly name: string;
  readonly parameters: readonly Readonly<Record<string, unknown>>[];
}

/** The modules in the output of `ovm-template-config --enumerate configure`. */
export function parseEnumerated(printed: string): EnumeratedModule[] {
  const modules = parsePython(printed);
  if (!Array.isArray(modules)) throw unreadable(printed);
  return modules.map((entry): EnumeratedModule => {
    if (!Array.isArray(entry)) throw unreadable(printed);
    const [priority, name, parameters] = entry as unknown[];
    if (!Array.isArray(parameters)) throw unreadable(printed);
    return { priority: Number(priority), name: String(name), parameters };
  });
}

/** The contract of modules, in the order in which they run; the root password last. */
export function contractOf(modules: readonly EnumeratedModule[]): Parameter[] {
  const parameters = modules.flatMap(({ name, parameters }) =>
    parameters.map((one) => parameterOf(name, one)),
  );
  return [...parameters.filter((one) => !startsTheWork(one)), ...parameters.filter(startsTheWork)];
}

/** Adds modules to those of a guest. One with the same name is replaced. */
export function withModules(
  there: readonly EnumeratedModule[],
  more: readonly EnumeratedModule[],
): EnumeratedModule[] {
  const stay = there.filter(({ name }) => !more.some((one) => one.name === name));
  return [...stay, ...more].sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1));
}

// Deeper lists are not parameters, and could exhaust the stack.
const deepest = 100;

/** Reads what Python prints for lists, tuples, dicts, strings, numbers and the like; JSON is a part of that. */
export function parsePython(text: string): unknown {
  const words =
    text.match(/[urb]{0,2}'(?:[^'\\]|\\.)*'|[urb]{0,2}"(?:[^"\\]|\\.)*"|[[\](){},:]|[^\s[\](){},:'"]+/g) ??
    [];
  let at = 0;
  let depth = 0;
  const value = (): unknown => {
    const word = words[at++];
    if (word === undefined) throw unreadable(text);
    if (word === "[" || word === "(") return inner(() => items(word === "[" ? "]" : ")"));
    if (word === "{") return inner(() => Object.fromEntries(pairs()));
    const [, quoted] = /^[urb]{0,2}(["'].*)$/s.exec(word) ?? [];
    if (quoted !== undefined) return unescaped(quoted.slice(1, -1));
    if (Object.hasOwn(constants, word)) return constants[word];
    if (/^-?\d+(?:\.\d+)?$/.test(word)) return Number(word);
    throw unreadable(text);
  };
  const inner = <Result>(read: () => Result): Result => {
    if (++depth > deepest) throw unreadable(text);
    const found = read();
    depth--;
    return found;
  };
  const items = (end: string): unknown[] => {
    const found: unknown[] = [];
    while (words[at] !== end) {
      found.push(value());
      if (words[at] === ",") at++;
      else if (words[at] !== end) throw unreadable(text);
    }
    at++;
    return found;
  };
  const pairs = (): [string, unknown][] => {
    const found: [string, unknown][] = [];
    while (words[at] !== "}") {
      const key = String(value());
      if (words[at++] !== ":") throw unreadable(text);
      found.push([key, value()]);
      if (words[at] === ",") at++;
      else if (words[at] !== "}") throw unreadable(text);
    }
    at++;
    return found;
  };
  const found = value();
  if (at < words.length) throw unreadable(text);
  return found;
}

const constants: Readonly<Record<string, unknown>> = {
  True: true,
  False: false,
  None: undefined,
  true: true,
  false: false,
  null: undefined,
};

function parameterOf(module: string, one: Record<string, unknown>): Parameter {
  const { key, description = "", required, hidden, password, type, choices, pattern } = one;
  if (typeof key !== "string") throw new TbuildError("guest", `module ${module}: a parameter without a key`);
  return {
    key,
    description: String(description),
    module,
    required: isYes(required),
    hidden: isYes(hidden),
    password: isYes(password),
    ...(isType(type) && type !== "text" && { type }),
    ...(isWords(choices) && { choices: choices.map(String) }),
    ...(typeof pattern === "string" && { pattern }),
    ...(typeof one.default === "string" && !isYes(password) && { default: one.default }),
  };
}

function isType(type: unknown): type is ParameterType {
  return parameterTypes.some((one) => one === type);
}

function isWords(list: unknown): list is (string | number)[] {
  return (
    Array.isArray(list) && list.length > 0 && list.every((one) => ["string", "number"].includes(typeof one))
  );
}

function isYes(value: unknown): boolean {
  return value === true || /^(?:true|yes|1)$/i.test(String(value ?? ""));
}

function startsTheWork({ key }: Parameter): boolean {
  return key === "com.oracle.linux.root-password";
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([\da-f]{4})|x([\da-f]{2})|(.))/gis, (_all, long, short, one) => {
    if (long ?? short) return String.fromCharCode(Number.parseInt(long ?? short, 16));
    return ({ n: "\n", t: "\t", r: "\r" } as Record<string, string>)[one] ?? one;
  });
}

function unreadable(text: string): TbuildError {
  return new TbuildError("guest", "ovm-template-config: the parameter list cannot be read", {
    lines: text
      .split("\n", 8)
      .map((line) => (line.length > 200 ? `${line.slice(0, 199)}…` : line))
      .map(printable),
  });
}
