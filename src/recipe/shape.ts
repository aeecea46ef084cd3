import { z } from "zod";
import { shown } from "../io/escape.ts";
import { type Finding, suggestion } from "./findings.ts";
import type { JsonSchema } from "./json-schema.ts";
import { type Located, locatedAt, pathInFile, placeOf, plain } from "./located.ts";

/**
 * The errors in a file's shape, in plain words: each with its position, its path, and the closest valid word.
 */
export function shapeFindings(schema: z.ZodType, error: z.ZodError, root: Located): Finding[] {
  const json = z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  const of = (issue: z.core.$ZodIssue) => issue.path.map(String).join(".");
  const wrongType = new Set(error.issues.filter(({ code }) => code === "invalid_type").map(of));
  // A value of a wrong type is reported once, not also as too long or malformed.
  const issues = error.issues.filter((issue) => issue.code === "invalid_type" || !wrongType.has(of(issue)));
  return issues.flatMap((issue) => worded(issue, root, json));
}

function worded(issue: z.core.$ZodIssue, root: Located, schema: JsonSchema): Finding[] {
  const finding = (text: string, path = issue.path): Finding => ({
    at: placeOf(root, path),
    path: pathInFile(root, path),
    text: shown(text),
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
      return [finding(ofOtherType(issue.expected, here, schemaAt(schema, issue.path)))];
    case "invalid_format":
      return [
        finding(
          `"${given}" is not ${issue.message.startsWith("Invalid") ? "well-formed" : issue.message}${meantSize(given, issue.message)}`,
        ),
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

/** If one key decides which keys are allowed, as `kind` does, and its value is not in the list. */
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
    return minimum === 1 ? "is empty; it needs at least one item" : `needs at least ${minimum} items`;
  if (origin === "string") return minimum === 1 ? "is empty" : `needs at least ${minimum} characters`;
  return `${given} is too small; the minimum is ${minimum}`;
}

function tooMuch({ origin, maximum }: z.core.$ZodIssueTooBig, given: unknown): string {
  if (origin === "array") return `has too many items; the maximum is ${maximum}`;
  if (origin === "string") return `is too long; the maximum is ${maximum} characters`;
  return `${given} is too large; the maximum is ${maximum}`;
}

// YAML reads a text such as 0755 without quotes as a number: then its form is wrong.
function ofOtherType(expected: string, here: Located | undefined, schema: JsonSchema): string {
  const form = schema.title;
  if (here?.kind === "scalar" && form !== undefined && here.value !== null)
    return `${here.value} is not ${form}${meantSize(here.value, form)}`;
  if (form !== undefined) return `should be ${form}`;
  if (schema.type === "integer")
    return here?.kind === "scalar" && typeof here.value === "string"
      ? `should be a whole number, but "${here.value}" is text`
      : "should be a whole number";
  if (expected === "boolean") {
    const said = here?.kind === "scalar" ? String(here.value) : "";
    const meant = /^(yes|on|y)$/i.test(said) ? "true" : /^(no|off|n)$/i.test(said) ? "false" : undefined;
    return `should be true or false${meant === undefined ? "" : `; "${said}" is a text in YAML 1.2, so write ${meant}`}`;
  }
  const items = here?.kind === "map" ? [...here.entries.keys()] : [];
  if (expected === "array" && items.length > 0 && items.every((key) => /^\d+$/.test(key)))
    return `has no item ${items.join(", ")}; items are counted from 0`;
  if (expected === "array" && here?.kind === "scalar" && here.value !== null && here.value !== "")
    return `should be a list, such as [${here.value}]`;
  const words: Record<string, string> = {
    array: "a list",
    object: "a group of keys",
    record: "a group of keys",
    int: "a whole number",
  };
  return `should be ${words[expected] ?? `a ${expected}`}`;
}

/** The member of a union whose constants match the value; otherwise the first one. */
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

/** `; did you mean "2T"?` for a size in another notation that means a whole number of MiB. */
function meantSize(given: unknown, form: string): string {
  if (!form.startsWith("a size")) return "";
  const [, number = "", unit] = /^\s*(\d+(?:\.\d+)?)\s*([MGT])?(?:i?B)?\s*$/i.exec(String(given)) ?? [];
  if (Number(number) === 0) return "";
  if (unit === undefined) return `; did you mean "${number}M"?`;
  const mib = Number(number) * 1024 ** "MGT".indexOf(unit.toUpperCase());
  if (!Number.isInteger(mib)) return "";
  const written =
    mib % 1024 ** 2 === 0 ? `${mib / 1024 ** 2}T` : mib % 1024 === 0 ? `${mib / 1024}G` : `${mib}M`;
  return written.length > 8 ? "" : `; did you mean "${written}"?`;
}

function schemaAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema {
  return path.reduce<JsonSchema>(
    (here, key) => (typeof key === "number" ? here.items : propertiesOf(here)?.[String(key)]) ?? {},
    schema,
  );
}
