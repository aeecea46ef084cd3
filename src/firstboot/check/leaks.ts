import type { Call } from "../python/frame.ts";
import {
  allParametersIn,
  FromEnvironment,
  firstUnknown,
  Given,
  givenIn,
  Parameters,
  PythonDict,
  PythonModule,
  type Value,
} from "../python/value.ts";

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
  return given(argument).find(isSecretOf(secrets));
}

const prints = /^(?:print|raise|pprint\.pprint|sys\.(?:__)?std(?:out|err)(?:__)?\.write(?:lines)?)$/;
const logs =
  /^syslog\.syslog$|^(?:logging)?\.(?:debug|info|warn|warning|error|critical|exception|log)$|^sys\.exit$/;

/** The key of the secret that a call prints or logs. */
export function shownBy({ name, positional, named }: Call, secrets: ReadonlySet<string>): string | undefined {
  const file = named.get("file");
  if (!(prints.test(name) || logs.test(name))) return undefined;
  if (file !== undefined && !(file instanceof PythonModule)) return undefined;
  const found = positional.flatMap(given).find(isSecretOf(secrets));
  if (found) return found.key;
  return allParametersIn(positional) ? [...secrets][0] : undefined;
}

/** What a call waits for, for ever; `undefined` if it ends. */
export function endlessCall({ name }: Call): string | undefined {
  return /(?:^|\.)(serve_forever|run_forever|mainloop|cmdloop)$/.exec(name)?.[1];
}

function isSecretOf(secrets: ReadonlySet<string>) {
  return ({ key }: Given) => secrets.has(key) || /(?:password|passwd|secret|token)$/i.test(key);
}

/** The first parameter in what a start runs. */
export function parameterIn({ argument }: Start): Given | undefined {
  return given(argument).find((one) => !(one instanceof FromEnvironment));
}

function given(value: Value | undefined): Given[] {
  if (value instanceof Given) return [...givenIn(value)];
  if (Array.isArray(value)) return value.flatMap(given);
  if (value instanceof Parameters) return [];
  if (value instanceof PythonDict) return [...value.values()].flatMap(given);
  const unknown = firstUnknown(value);
  return unknown ? [...givenIn(unknown)] : [];
}

/** What happens to a secret that the program of a module.yaml prints: its wrapper masks it. */
export const hiddenIf = "it prints it, and the log hides it only where it is unchanged";

/** What to do instead of showing a secret, and of serving for ever. */
export const onlyWhether = "Print only whether it is set";
export const asService = "Start it as a service of the payload";
