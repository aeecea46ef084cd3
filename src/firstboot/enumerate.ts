import type { Doubt } from "./python/doubt.ts";
import { type Followed, follow } from "./python/evaluate.ts";
import { Endless } from "./python/frame.ts";
import { withPython } from "./python/script.ts";
import { Dumped, isUnknown, PythonDict, PythonFunction, PythonModule, type Value } from "./python/value.ts";

/**
 * The dicts that a module's `do_enumerate` returns for one target, as far as this is known without running
 * it.
 */
export interface Enumerated {
  readonly parameters: readonly Readonly<Record<string, unknown>>[];
  /** The unknown parts: parameters may be missing. */
  readonly doubts: readonly Doubt[];
}

/** Reads the parameters of a module at one target. A program that does not end counts as unknown. */
export async function enumerate(script: string, target: string): Promise<Enumerated> {
  return withPython(script, (program) => {
    try {
      return enumerateOf(follow(program), target);
    } catch (error) {
      if (error instanceof Endless)
        return { parameters: [], doubts: [{ reason: "does not end", line: error.line }] };
      throw error;
    }
  });
}

/** The function that enumerates and the targets, as `main` is called. */
export function mainOf(followed: Followed) {
  const call = followed.calls.find(({ name }) => /^templateconfig(?:\.cli)?\.main$/.test(name));
  const [enumerator, actions] = call?.positional ?? [];
  return {
    called: call !== undefined,
    enumerator: enumerator instanceof PythonFunction ? enumerator : undefined,
    actions: actions instanceof PythonDict ? actions : undefined,
  };
}

export function enumerateOf(followed: Followed, target: string): Enumerated {
  const { called, enumerator } = mainOf(followed);
  if (!called)
    return { parameters: [], doubts: [{ reason: "never calls main of templateconfig.cli", line: 1 }] };
  if (!enumerator)
    return { parameters: [], doubts: [{ reason: "does not pass main a function that enumerates", line: 1 }] };
  const { value, doubts } = followed.call(enumerator, [target]);
  const list = value instanceof Dumped ? value.value : value;
  const line = enumerator.node.startPosition.row + 1;
  if (Array.isArray(value))
    return { parameters: [], doubts: [{ reason: "returns a list, not JSON", line, fault: "not-json" }] };
  if (!Array.isArray(list))
    return {
      parameters: [],
      doubts:
        doubts.length > 0
          ? doubts
          : [isUnknown(list) ? list : { reason: "does not return a list", line, fault: "no-list" }],
    };
  const parameters: Record<string, unknown>[] = [];
  const more: Doubt[] = [...doubts];
  for (const item of list) {
    const key = item instanceof PythonDict ? item.get("key") : item;
    if (item instanceof PythonDict && typeof key === "string")
      // A description that is computed at run time is there, too.
      parameters.push({ ...(item.has("description") && { description: "" }), ...plainDict(item) });
    else if (key instanceof PythonModule) more.push({ reason: `computes a key from ${key.name}`, line });
    else more.push(isUnknown(key) ? key : { reason: "has a parameter without a key", line, fault: "no-key" });
  }
  return { parameters, doubts: more };
}

// Even if its description is computed at run time, the parameter is known.
function plainDict(dict: PythonDict): Record<string, unknown> {
  const known = [...dict].flatMap(([key, value]): [string, unknown][] => {
    const one = plain(value);
    return one === undefined ? [] : [[key, one]];
  });
  return Object.fromEntries(known);
}

function plain(value: Value): unknown {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof PythonDict) return plainDict(value);
  return undefined;
}
