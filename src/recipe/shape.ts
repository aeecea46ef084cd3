import { z } from "zod";
import { type Finding, suggestion } from "./findings.ts";
import { type Located, locatedAt, pathInFile, placeOf, plain } from "./located.ts";
import type { JsonSchema } from "./schema.ts";

/** What is wrong with the shape of a file, in our words: each with its place, its path, and the nearest valid word. */
export function shapeFindings(schema: z.ZodType, error: z.ZodError, root: Located): Finding[] {
  const json = z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  const of = (issue: z.core.$ZodIssue) => issue.path.map(String).join(".");
  const wrongType = new Set(error.issues.filter(({ code }) => code === "invalid_type").map(of));
  // What is of another type is too long as well, or has not the right form.
  const issues = error.issues.filter((issue) => issue.code === "invalid_type" || !wrongType.has(of(issue)));
  return issues.flatMap((issue) => worded(issue, root, json));
}

function worded(issue: z.core.$ZodIssue, root: Located, schema: JsonSchema): Finding[] {
  const finding = (text: string, path = issue.path): Finding => ({
    at: placeOf(root, path),
    path: pathInFile(root, path),
    text,
  });
  const here = locatedAt(root, issue.path);
  const given = here && plain(here);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = Object.keys(variantOf(schemaAt(schema, issue.path), given).properties ?? {});
      return issue.keys.map((key) => finding(`no such key${suggestion(key, known)}`, [...issue.path, key]));
    }
    case "invalid_key":
      return [finding(`is not ${issue.issues[0]?.message ?? "a key"}`)];
    case "invalid_value":
      if (given === undefined) return [finding("is missing")];
      return [
        finding(`"${given}" is not an allowed value${suggestion(String(given), issue.values.map(String))}`),
      ];
    case "invalid_type":
      if (given === undefined) return [finding("is missing")];
      return [finding(ofOtherType(issue.expected, here, schemaAt(schema, issue.path).title))];
    case "invalid_format":
      return [
        finding(`"${given}" is not ${issue.message.startsWith("Invalid") ? "well-formed" : issue.message}`),
      ];
    case "too_small":
      return [finding(tooLittle(issue, given))];
    case "too_big":
      return [finding(tooMuch(issue, given))];
    case "invalid_union":
      return [finding(ofNoVariant(issue, given) ?? lowered(issue.message))];
    default:
      return [finding(lowered(issue.message))];
  }
}

function lowered(message: string): string {
  return message.replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase());
}

/** Where one key decides which keys there are, as `kind` does, and has no value of the list. */
function ofNoVariant(issue: z.core.$ZodIssueInvalidUnion, given: unknown): string | undefined {
  const { discriminator, options = [] } = issue as { discriminator?: string; options?: readonly unknown[] };
  if (discriminator === undefined) return undefined;
  const names = options.filter((one) => typeof one === "string");
  return given === undefined
    ? "is missing"
    : `"${given}" is not an allowed value${suggestion(String(given), names)}`;
}

function tooLittle({ origin, minimum }: z.core.$ZodIssueTooSmall, given: unknown): string {
  if (origin === "array")
    return minimum === 1 ? "is empty; it wants one item at least" : `wants ${minimum} items at least`;
  if (origin === "string") return minimum === 1 ? "is empty" : `wants ${minimum} characters at least`;
  return `${given} is too little; the least is ${minimum}`;
}

function tooMuch({ origin, maximum }: z.core.$ZodIssueTooBig, given: unknown): string {
  if (origin === "array") return `has too many items; it takes ${maximum}`;
  if (origin === "string") return `is too long; it takes ${maximum} characters`;
  return `${given} is too much; the most is ${maximum}`;
}

// What YAML reads as a number, such as a mode without quotes, may only lack its form.
function ofOtherType(expected: string, here: Located | undefined, form: string | undefined): string {
  if (here?.kind === "scalar" && form !== undefined && here.value !== null)
    return `${here.value} is not ${form}`;
  if (form !== undefined) return `should be ${form}`;
  if (expected === "boolean") {
    const said = here?.kind === "scalar" ? String(here.value) : "";
    const meant = /^(yes|on|y)$/i.test(said) ? "true" : /^(no|off|n)$/i.test(said) ? "false" : undefined;
    return `should be true or false${meant === undefined ? "" : `; "${said}" is a text in YAML 1.2, so write ${meant}`}`;
  }
  const items = here?.kind === "map" ? [...here.entries.keys()] : [];
  if (expected === "array" && items.length > 0 && items.every((key) => /^\d+$/.test(key)))
    return `has no item ${items.join(", ")}; they are counted from 0`;
  const words: Record<string, string> = {
    array: "a list",
    object: "a group of keys",
    record: "a group of keys",
    int: "a whole number",
  };
  return `should be ${words[expected] ?? `a ${expected}`}`;
}

/** Of a union the member that fits what was given, by its constants; else the first. */
function variantOf(schema: JsonSchema, given: unknown): JsonSchema {
  if (schema.oneOf === undefined) return schema;
  const fits = ({ properties = {} }: JsonSchema) =>
    Object.entries(properties).some(
      ([key, one]) => one.const !== undefined && (given as Record<string, unknown>)?.[key] === one.const,
    );
  return schema.oneOf.find(fits) ?? schema.oneOf[0] ?? schema;
}

/** The keys of a group, or of all its variants. */
function propertiesOf({ properties, oneOf = [] }: JsonSchema): JsonSchema["properties"] {
  return properties ?? Object.assign({}, ...oneOf.map((one) => one.properties));
}

function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema {
  return path.reduce<JsonSchema>(
    (here, key) => (typeof key === "number" ? here.items : propertiesOf(here)?.[String(key)]) ?? {},
    schema,
  );
}
