import type { Node } from "./script.ts";
import type { PythonFunction, Value } from "./value.ts";

/** Names and their values: those of a function over those of the program. */
export class Frame {
  readonly #names = new Map<string, Value>();
  readonly #global = new Set<string>();
  readonly #outer: Frame | undefined;

  constructor(outer?: Frame) {
    this.#outer = outer;
  }

  get(name: string): Value | undefined {
    return this.#names.get(name) ?? this.#outer?.get(name);
  }

  set(name: string, value: Value): void {
    if (this.#global.has(name) && this.#outer) this.#outer.set(name, value);
    else this.#names.set(name, value);
  }

  /** From here on the name is that of the program. */
  makeGlobal(name: string): void {
    this.#global.add(name);
  }
}

/** A call to a name that the program has from a module. */
export interface Call {
  readonly name: string;
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
  readonly node: Node;
}

/** What statements and expressions need of each other. */
export interface Interpreter {
  /** Counts one step of work; throws `Endless` when the program takes too many. */
  step(node: Node): void;
  evaluate(node: Node, frame: Frame): Value;
  run(block: Node, frame: Frame): void;
  call(callee: PythonFunction, positional: readonly Value[], named: ReadonlyMap<string, Value>): Value;
  /** Whether every branch is followed, those too whose condition cannot be known. */
  readonly explores: () => boolean;
  /** Hears of calls to names that the program has from a module, such as `templateconfig.cli.main`. */
  readonly heard: (call: Call) => void;
  /** Hears of what changes a value by a condition that cannot be known. */
  readonly unsure: (reason: string, line: number) => void;
}

/** The program takes more steps than a list of parameters can need. */
export class Endless extends Error {
  readonly line: number;
  constructor(line: number) {
    super(`does not end: line ${line} is reached again and again`);
    this.line = line;
  }
}

/** `return`, `break` and `continue` leave their blocks. */
export class Leave {
  readonly how: "return" | "break" | "continue" | "raise";
  readonly value: Value;
  constructor(how: Leave["how"], value: Value = null) {
    this.how = how;
    this.value = value;
  }
}
