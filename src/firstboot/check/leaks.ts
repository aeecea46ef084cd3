import type { Call } from "../python/frame.ts";
import { FromEnvironment, firstUnknown, Given, Parameters, PythonDict, type Value } from "../python/value.ts";

const asList = /^templateconfig\.common\.run_cmd$|^subprocess\.(?:call|check_call|check_output|Popen|run)$/;
const asShell =
  /^os\.(?:system|popen)$|^commands\.get(?:status)?output$|^subprocess\.get(?:status)?output$|^templateconfig\.common\.shell_cmd$/;
const starts = /^os\.(?:exec|spawn)[lv]p?e?$/;

/** A call that starts a program: by a shell, with a list of words, or with words as arguments (`os.execlp`). */
export interface Start {
  readonly how: "shell" | "list" | "words";
  readonly argument: Value | undefined;
}

/** How a call starts a program; `undefined` if it starts none. */
export function startOf({ name, positional, named }: Call): Start | undefined {
  if (starts.test(name)) return { how: "words", argument: [...positional] };
  const argument = positional[0] ?? named.get("args");
  if (asShell.test(name) || (asList.test(name) && named.get("shell") === true))
    return { how: "shell", argument };
  return asList.test(name) ? { how: "list", argument } : undefined;
}

/** The secret that a start puts on a command line. */
export function leakOf({ argument }: Start, secrets: ReadonlySet<string>): Given | undefined {
  return given(argument).find(
    ({ key }) => secrets.has(key) || /(?:password|passwd|secret|token)$/i.test(key),
  );
}

/** The first parameter in what a start runs. */
export function parameterIn({ argument }: Start): Given | undefined {
  return given(argument).find((one) => !(one instanceof FromEnvironment));
}

function given(value: Value | undefined): Given[] {
  if (value instanceof Given) return [value];
  if (Array.isArray(value)) return value.flatMap(given);
  if (value instanceof Parameters) return [];
  if (value instanceof PythonDict) return [...value.values()].flatMap(given);
  const unknown = firstUnknown(value);
  return unknown instanceof Given ? [unknown] : [];
}
