import type { Parameter } from "../model/manifest.ts";
import type { Finding } from "../recipe/findings.ts";
import type { Located, Place } from "../recipe/located.ts";
import { judge, parameterOf, type Reference } from "./judge.ts";

export { parameterOf, plainSecret, type Reference } from "./judge.ts";

/** A value for one key of a contract, or where to get it. */
export interface GivenValue {
  readonly key: string;
  readonly value: string | Reference;
  readonly at: Place;
}

export interface CheckedValues {
  readonly values: readonly GivenValue[];
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/**
 * Reads a file of values, and checks it against a template's contract. If the contract may lack parameters (`isWhole` is
 * false), an unknown key is a warning.
 */
export function checkValues(contract: readonly Parameter[], file: Located, isWhole = true): CheckedValues {
  if (file.kind !== "map")
    return {
      values: [],
      warnings: [],
      errors: [{ at: file.at, path: "", text: "is not a list of KEY: VALUE" }],
    };
  const unread: Finding[] = [];
  const values: GivenValue[] = [];
  for (const [key, said] of file.entries) {
    const value = readValue(said, (text) => {
      const inside = said.kind === "map" ? [...said.entries.keys()].map((one) => `${key}.${one}`) : [];
      const nested = inside.find((one) => parameterOf(contract, one) !== undefined);
      const what = nested === undefined ? text : `is a group, but a key is one word; write ${nested}: VALUE`;
      unread.push({ at: said.at, path: key, text: what });
    });
    if (value !== undefined) values.push({ key, value, at: said.at });
  }
  const { errors, warnings } = judgeValues(contract, values, { isWhole, at: file.at });
  const isUnread = new Set(unread.map(({ path }) => path));
  return { values, errors: [...unread, ...errors.filter(({ path }) => !isUnread.has(path))], warnings };
}

/** Checks values, each with its position. Missing values are reported at `at`. */
export function judgeValues(
  contract: readonly Parameter[],
  values: readonly GivenValue[],
  { isWhole, at }: { readonly isWhole: boolean; readonly at: Place },
): Omit<CheckedValues, "values"> {
  const places = new Map(values.map((one) => [one.key, one.at]));
  const given = new Map(values.map(({ key, value }) => [key, value]));
  const all = judge(contract, given, isWhole).map(({ key, by, text, weight }) => ({
    weight,
    finding: { at: places.get(by ?? key) ?? at, path: key, text },
  }));
  const of = (wanted: "error" | "warning") =>
    all.filter(({ weight }) => weight === wanted).map(({ finding }) => finding);
  return { errors: of("error"), warnings: of("warning") };
}

function readValue(said: Located, fail: (text: string) => void): string | Reference | undefined {
  if (said.kind === "scalar") {
    const word = wordOf(said);
    if (word === undefined) fail("has no value");
    return word;
  }
  if (said.kind === "list") {
    const words = said.items.map(wordOf);
    if (words.length > 0 && words.every((word) => word !== undefined)) return words.join(",");
    if (words.length === 0) {
      fail("is an empty list");
      return undefined;
    }
    fail("is a list of more than words");
    return undefined;
  }
  const entries = [...said.entries];
  const [name, where] = entries[0] ?? [];
  if (entries.length === 1 && where?.kind === "scalar") {
    if (name === "env" && typeof where.value === "string") {
      if (/^[A-Za-z_]\w*$/.test(where.value)) return { kind: "env", name: where.value };
      fail(`"${where.value}" is not a name of an environment variable`);
      return undefined;
    }
    if (name === "file" && typeof where.value === "string" && where.value !== "")
      return { kind: "file", path: where.value };
    if (name === "prompt" && where.value === true) return { kind: "prompt" };
  }
  fail("is neither a value nor {env: NAME}, {file: PATH} or {prompt: true}");
  return undefined;
}

// The additions are Python, and document "True or False". A number is sent as written: 0755 is not 755.
function wordOf(said: Located): string | undefined {
  if (said.kind !== "scalar") return undefined;
  const { value, source } = said;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return source ?? String(value);
  return typeof value === "string" ? value : undefined;
}
