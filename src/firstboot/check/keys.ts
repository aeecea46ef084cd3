import { enumerateOf, mainOf } from "../enumerate.ts";
import type { Target } from "../module.ts";
import type { Doubt, DoubtFault } from "../python/doubt.ts";
import type { Followed } from "../python/evaluate.ts";
import { shippedOwner } from "../shipped.ts";

/** Errors in the parameters that a module enumerates. The line is that of the enumerating function. */
export interface KeyFinding {
  readonly level: "error" | "warning";
  readonly line: number;
  readonly text: string;
  readonly remedy: string;
  /** The key that it is about. */
  readonly key?: string;
}

const fields = [
  "key",
  "description",
  "required",
  "hidden",
  "password",
  "choices",
  "default",
  "depends",
  "requires",
  "type",
  "pattern",
  "index",
];

/** At most 256 bytes: Oracle VM Concepts Guide, "Virtual Machine Messaging". */
const mostKeyBytes = 256;

const faults: Readonly<Record<DoubtFault, (reason: string) => Pick<KeyFinding, "text" | "remedy">>> = {
  "no-key": () => ({ text: "enumerates a parameter without a key", remedy: 'Give each parameter a "key"' }),
  "not-json": () => ({
    text: "the function that enumerates returns a list, but ovm-template-config reads JSON",
    remedy: "End it with: return json.dumps(param)",
  }),
  "no-list": (reason) => ({
    text: `the function that enumerates ${reason}`,
    remedy: "End it with: return json.dumps(list of parameters)",
  }),
  unparsed: (reason) => ({
    text: `the function that enumerates ${reason}`,
    remedy: "Parse it first: json.loads",
  }),
  endless: (reason) => ({
    text: `the function that enumerates ${reason}, which nothing in the loop changes`,
    remedy: "Enumerate at once; a value that is not there yet is not a parameter",
  }),
};

function findingOf({ reason, line, fault }: Doubt, target: Target): KeyFinding {
  if (fault) return { level: "error", line, ...faults[fault](reason) };
  return {
    level: "warning",
    line,
    text: `the parameters of ${target} cannot be known before the module runs: it ${reason}`,
    remedy: "Enumerate constants, so that a template's contract is known",
  };
}

export function keyFindings(
  followed: Followed,
  target: Target,
  module: string,
): { keys: Map<string, { password: boolean }>; findings: KeyFinding[] } {
  const line = (mainOf(followed).enumerator?.node.startPosition.row ?? 0) + 1;
  const { parameters, doubts } = enumerateOf(followed, target);
  const findings = doubts.map((doubt): KeyFinding => findingOf(doubt, target));
  const keys = new Map<string, { password: boolean }>();
  for (const parameter of parameters) {
    const key = String(parameter.key);
    const add = (level: KeyFinding["level"], text: string, remedy: string) =>
      findings.push({ level, line, text, remedy, key });
    if (keys.has(key)) add("error", `enumerates ${key} twice`, "Remove one of them");
    keys.set(key, { password: isYes(parameter.password) });
    const owner = shippedOwner(key);
    if (owner !== undefined && owner !== module)
      add(
        "error",
        `the key ${key} is in the name space of Oracle's module ${owner}`,
        `Choose your own name space, such as org.example.${module}`,
      );
    else if (!/^[A-Za-z0-9]/.test(key) || /[\s=,'"/\\]/.test(key))
      add(
        "error",
        `"${key}" is not a valid key of a message`,
        "Use letters, digits, dots, hyphens and underscores",
      );
    else if (!key.includes("."))
      add(
        "error",
        `the key ${key} has no name space, so another module may use it, too`,
        `Name it org.example.${module}.${key}`,
      );
    if (Buffer.byteLength(key) > mostKeyBytes)
      add(
        "error",
        `the key ${key.slice(0, 40)}… has ${Buffer.byteLength(key)} bytes; a message's key has at most ${mostKeyBytes}`,
        "Shorten it",
      );
    for (const [level, text, remedy] of formFaults(parameter)) add(level, `${key} has ${text}`, remedy);
    for (const field of Object.keys(parameter))
      if (!fields.includes(field))
        add(
          "warning",
          `${key} has "${field}", which ovm-template-config does not know`,
          `It knows ${fields.slice(0, 5).join(", ")}`,
        );
    if (
      /(?:password|passwd|secret|token|passphrase|private[-_]?key)$/i.test(key) &&
      !isYes(parameter.password)
    )
      add(
        "warning",
        `${key} looks like a secret, but is not marked as one`,
        'Add "password": True, so that it is never logged or shown',
      );
  }
  return { keys, findings };
}

/** Fields of another kind than ovm-template-config expects. In Python, the text "false" counts as true. */
function formFaults(parameter: Readonly<Record<string, unknown>>): [KeyFinding["level"], string, string][] {
  const flags = ["required", "hidden", "password"].flatMap(
    (flag): [KeyFinding["level"], string, string][] => {
      const value = parameter[flag];
      if (typeof value !== "string") return [];
      const level = isYes(value) ? "warning" : "error";
      return [[level, `"${flag}": "${value}", a text, and every text counts as true`, "Write True or False"]];
    },
  );
  const { description } = parameter;
  if (description === undefined || typeof description === "string") return flags;
  return [
    ...flags,
    ["warning", `"description": ${JSON.stringify(description)}, which is not text`, "Write a text"],
  ];
}

function isYes(value: unknown): boolean {
  return value === true || /^(?:true|yes|1)$/i.test(String(value ?? ""));
}
