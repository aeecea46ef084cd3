import type { Node } from "./script.ts";

/** A value of a Python program, as far as it is known without running it. */
export type Value =
  | string
  | number
  | boolean
  | null
  | Value[]
  | PythonDict
  | PythonFunction
  | PythonModule
  | Dumped
  | Unknown;

export class PythonDict extends Map<string, Value> {}

/** A function that the program defines. `self` is unknown: methods are not followed. */
export class PythonFunction {
  readonly name: string;
  readonly node: Node;
  constructor(name: string, node: Node) {
    this.name = name;
    this.node = node;
  }
}

/** An imported module, or something in it, by its full name such as `templateconfig.cli.main`. */
export class PythonModule {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What `json.dumps` returns: text that represents a value. */
export class Dumped {
  readonly value: Value;
  constructor(value: Value) {
    this.value = value;
  }
}

/** A value that is unknown without running the program, and why. Lines count from 1. */
export class Unknown {
  readonly reason: string;
  readonly line: number;
  constructor(reason: string, line: number) {
    this.reason = reason;
    this.line = line;
  }
}

/** The value of a first-boot parameter, which somebody provides later. */
export class Given extends Unknown {
  readonly key: string;
  constructor(key: string, line = 0) {
    super(`the parameter ${key}`, line);
    this.key = key;
  }
}

/** A module's parameters at run time: a value for each key that it may ask for. */
export class Parameters extends PythonDict {
  override get size(): number {
    return 1;
  }
  override has(): boolean {
    return true;
  }
  override get(key: string): Value {
    return super.has(key) ? (super.get(key) as Value) : new Given(key);
  }
}

/** The first unknown part of a value, at any depth. */
export function firstUnknown(value: Value | undefined): Unknown | undefined {
  if (value instanceof Unknown) return value;
  if (Array.isArray(value)) {
    for (const one of value) {
      const found = firstUnknown(one);
      if (found) return found;
    }
  }
  return undefined;
}

export function isUnknown(value: Value | undefined): value is Unknown {
  return value instanceof Unknown;
}

/** The truth of a value in Python; `undefined` if it is unknown. */
export function truth(value: Value): boolean | undefined {
  if (value instanceof Unknown) return undefined;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof PythonDict) return value.size > 0;
  if (value instanceof PythonFunction || value instanceof PythonModule || value instanceof Dumped)
    return true;
  return Boolean(value);
}

/** The result of `str()` for a value; `undefined` if Python's form is not modelled. */
export function pythonText(value: Value): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value === null) return "None";
  return undefined;
}
