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
  | PythonClass
  | PythonObject
  | PythonModule
  | Dumped
  | Unknown;

export class PythonDict extends Map<string, Value> {}

/** A function that the program defines. A method that was read from its object gets it as its first argument. */
export class PythonFunction {
  readonly name: string;
  readonly node: Node;
  readonly self: PythonObject | PythonClass | undefined;
  constructor(name: string, node: Node, self?: PythonObject | PythonClass) {
    this.name = name;
    this.node = node;
    this.self = self;
  }
}

/** How a method is bound when it is read from an object. */
export type Binding = "object" | "class" | "none" | "property";

/** A class that the program defines, with the names in its body. */
export class PythonClass {
  readonly name: string;
  readonly members: ReadonlyMap<string, Value>;
  readonly #bases: readonly PythonClass[];
  readonly #bindings: ReadonlyMap<string, Binding>;

  constructor(
    name: string,
    members: ReadonlyMap<string, Value>,
    bindings: ReadonlyMap<string, Binding>,
    bases: readonly PythonClass[],
  ) {
    this.name = name;
    this.members = members;
    this.#bindings = bindings;
    this.#bases = bases;
  }

  /** A member of this class or of the first base that has it, and how it is bound. */
  find(name: string): { value: Value; binding: Binding } | undefined {
    const value = this.members.get(name);
    if (value !== undefined) return { value, binding: this.#bindings.get(name) ?? "object" };
    for (const base of this.#bases) {
      const found = base.find(name);
      if (found) return found;
    }
    return undefined;
  }
}

/** An object of a class of the program. */
export class PythonObject {
  readonly of: PythonClass;
  readonly attributes = new Map<string, Value>();
  constructor(of: PythonClass) {
    this.of = of;
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

/** The text of all parameters, if one of the values is that, or has it in it. */
export function allParametersIn(values: readonly Value[]): Dumped | undefined {
  for (const one of values) {
    const inside = one instanceof Dumped ? one.value : one;
    if (inside instanceof Parameters) return new Dumped(inside);
    const found = Array.isArray(inside) ? allParametersIn(inside) : undefined;
    if (found) return found;
  }
  return undefined;
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
  constructor(key: string, line = 0, reason = `the parameter ${key}`) {
    super(reason, line);
    this.key = key;
  }
}

/** A text made of the values of several parameters. Its key is the key of the first one. */
export class GivenTogether extends Given {
  readonly all: readonly Given[];
  constructor(all: readonly [Given, ...Given[]]) {
    super(all[0].key, all[0].line, all[0].reason);
    this.all = all;
  }
}

/** The value of an environment variable. */
export class FromEnvironment extends Given {
  constructor(name: string, line: number) {
    super(name, line, `reads os.environ["${name}"]`);
  }
}

/** A module's parameters at run time: a value for each key that it may ask for. */
export class Parameters extends PythonDict {
  /** The keys that it was asked for and does not have. */
  readonly asked = new Set<string>();
  override get size(): number {
    return 1;
  }
  override has(): boolean {
    return true;
  }
  override get(key: string): Value {
    if (super.has(key)) return super.get(key) as Value;
    this.asked.add(key);
    return new Given(key);
  }
}

/** Items without an end, such as `itertools.count()`. */
export class Unending extends Unknown {}

/** An unknown part of a value, at any depth: the parameters' values if there are any, otherwise the first. */
export function firstUnknown(value: Value | undefined): Unknown | undefined {
  const found = unknownsIn(value);
  const [first, ...more] = [...new Set(found.flatMap(givenIn))];
  if (first === undefined) return found[0];
  return more.length === 0 ? first : new GivenTogether([first, ...more]);
}

/** The parameters whose values are in an unknown one. */
export function givenIn(value: Unknown): readonly Given[] {
  if (value instanceof GivenTogether) return value.all;
  return value instanceof Given ? [value] : [];
}

function unknownsIn(value: Value | undefined): Unknown[] {
  if (value instanceof Unknown) return [value];
  if (Array.isArray(value)) return value.flatMap(unknownsIn);
  return value instanceof PythonDict && !(value instanceof Parameters)
    ? [...value.values()].flatMap(unknownsIn)
    : [];
}

/** An unknown value that no longer shows a parameter's: its length, or whether it is set. */
export function withoutValue(value: Unknown): Unknown {
  return value instanceof Given ? new Unknown(value.reason, value.line) : value;
}

export function isUnknown(value: Value | undefined): value is Unknown {
  return value instanceof Unknown;
}

/** The truth of a value in Python; `undefined` if it is unknown. */
export function truth(value: Value): boolean | undefined {
  if (value instanceof Unknown) return undefined;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof PythonDict) return value.size > 0;
  if (
    value instanceof PythonFunction ||
    value instanceof PythonClass ||
    value instanceof PythonObject ||
    value instanceof PythonModule ||
    value instanceof Dumped
  )
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
