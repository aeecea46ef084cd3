import { everyNode, lineOf, type Node, part, parts } from "../grammar.ts";
import { textFrom } from "./variables.ts";

/** A version of bash: `[4, 1]` is 4.1. */
export type BashVersion = readonly [major: number, minor: number];

/** Something in a script that bash knows since a version. */
export interface BashFeature {
  /** Counted from 1. */
  readonly line: number;
  readonly what: string;
  readonly since: BashVersion;
}

interface Feature {
  readonly what: string;
  readonly since: BashVersion;
  readonly types: readonly string[];
  readonly is: (node: Node) => boolean;
}

const has = (node: Node, text: string) => node.children.some((child) => child?.text === text);
const option = (names: RegExp, letters: RegExp) => (node: Node) => {
  const [name = "", ...words] = node.text.split(/\s+/);
  return names.test(name) && words.some((word) => letters.test(word));
};
const shopt = (name: string) => (node: Node) =>
  part(node, "name")?.text === "shopt" && parts(node).some(({ text }) => text === name);

/** What bash learned after 3.2, OL5's. Source: the file NEWS of bash 4.0 to 5.1. */
const features: readonly Feature[] = [
  {
    what: "an associative array (-A)",
    since: [4, 0],
    types: ["declaration_command"],
    is: option(/^(?:declare|typeset|local|readonly)$/, /^-[a-zA-Z]*A/),
  },
  {
    what: "a change of case (,, or ^^ behind a name)",
    since: [4, 0],
    types: ["expansion"],
    is: (node) => /^\$\{\w+(?:\[[^\]]*\])?[,^]/.test(textFrom(node)),
  },
  {
    what: "|&",
    since: [4, 0],
    types: ["pipeline"],
    is: (node) => has(node, "|&"),
  },
  { what: "&>>", since: [4, 0], types: ["file_redirect"], is: ({ text }) => text.startsWith("&>>") },
  {
    what: ";& or ;;&",
    since: [4, 0],
    types: ["case_item"],
    is: (node) => has(node, ";&") || has(node, ";;&"),
  },
  {
    what: "mapfile or readarray",
    since: [4, 0],
    types: ["command"],
    is: (node) => /^(?:mapfile|readarray)$/.test(part(node, "name")?.text ?? ""),
  },
  { what: "coproc", since: [4, 0], types: ["command"], is: (node) => part(node, "name")?.text === "coproc" },
  { what: "shopt -s globstar", since: [4, 0], types: ["command"], is: shopt("globstar") },
  {
    what: "read -t with a fraction",
    since: [4, 0],
    types: ["command"],
    is: ({ text }) => /^read\s(?:.*\s)?-\w*t\s*\d*\.\d/.test(text),
  },
  {
    what: "read -N",
    since: [4, 1],
    types: ["command"],
    is: option(/^read$/, /^-[a-z]*N/),
  },
  { what: "[[ -v NAME ]]", since: [4, 2], types: ["test_operator"], is: ({ text }) => text === "-v" },
  {
    what: "printf %(…)T",
    since: [4, 2],
    types: ["command"],
    is: ({ text }) => /^printf\s.*%\([^)]*\)T/.test(text),
  },
  {
    what: "declare -g",
    since: [4, 2],
    types: ["declaration_command"],
    is: option(/^(?:declare|typeset)$/, /^-[a-zA-Z]*g/),
  },
  { what: "shopt -s lastpipe", since: [4, 2], types: ["command"], is: shopt("lastpipe") },
  {
    what: "a negative index",
    since: [4, 2],
    types: ["expansion"],
    is: (node) => /^\$\{\w+\[\s*-\d/.test(textFrom(node)),
  },
  {
    what: "a name reference (-n)",
    since: [4, 3],
    types: ["declaration_command"],
    is: option(/^(?:declare|typeset|local)$/, /^-[a-zA-Z]*n/),
  },
  { what: "wait -n", since: [4, 3], types: ["command"], is: option(/^wait$/, /^-n$/) },
  {
    what: "a transformation such as @Q",
    since: [4, 4],
    types: ["expansion"],
    is: (node) => /^\$\{\w+(?:\[[^\]]*\])?@[QEPAa]\}$/.test(textFrom(node)),
  },
  {
    what: "mapfile -d",
    since: [4, 4],
    types: ["command"],
    is: option(/^(?:mapfile|readarray)$/, /^-[a-z]*d/),
  },
  { what: "shopt -s inherit_errexit", since: [4, 4], types: ["command"], is: shopt("inherit_errexit") },
  {
    what: "$EPOCHSECONDS or $EPOCHREALTIME",
    since: [5, 0],
    types: ["variable_name"],
    is: ({ text }) => /^EPOCH(?:SECONDS|REALTIME)$/.test(text),
  },
  {
    what: "$SRANDOM",
    since: [5, 1],
    types: ["variable_name"],
    is: ({ text }) => text === "SRANDOM",
  },
  {
    what: "a transformation such as @U",
    since: [5, 1],
    types: ["expansion"],
    is: (node) => /^\$\{\w+(?:\[[^\]]*\])?@[ULuK]\}$/.test(textFrom(node)),
  },
];

const byType = new Map<string, Feature[]>();
for (const feature of features)
  for (const type of feature.types) byType.set(type, [...(byType.get(type) ?? []), feature]);

/** What a script needs of bash that bash 3.2 lacks. A script that could not be parsed needs nothing. */
export function bashFeatures(root: Node): BashFeature[] {
  if (root.hasError) return [];
  const found = new Map<string, BashFeature>();
  for (const node of everyNode(root))
    for (const { what, since, is } of byType.get(node.type) ?? [])
      if (is(node)) found.set(`${lineOf(node)} ${what}`, { line: lineOf(node), what, since });
  return [...found.values()];
}
