import type { DoubtFault } from "./doubt.ts";
import type { Node } from "./script.ts";
import type { PythonFunction, Value } from "./value.ts";

/** Names and their values: a function's own, in front of the program's. */
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

  /** The names that were set here. */
  own(): ReadonlyMap<string, Value> {
    return this.#names;
  }

  /** From here on the name is the program's global. */
  makeGlobal(name: string): void {
    this.#global.add(name);
  }
}

/** A call to an imported name. */
export interface Call {
  readonly name: string;
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
  readonly node: Node;
}

/** The interface between the code for statements and for expressions. */
export interface Interpreter {
  /** Counts one step of work; throws `Endless` if the program takes too many. */
  step(node: Node): void;
  evaluate(node: Node, frame: Frame): Value;
  run(block: Node, frame: Frame): void;
  call(callee: PythonFunction, positional: readonly Value[], named: ReadonlyMap<string, Value>): Value;
  /** Whether every branch is followed, including those whose condition is unknown. */
  readonly explores: () => boolean;
  /** Called for each call to an imported name, such as `templateconfig.cli.main`. */
  readonly heard: (call: Call) => void;
  /** Called when a value is changed under an unknown condition. */
  readonly unsure: (reason: string, line: number, fault?: DoubtFault) => void;
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
