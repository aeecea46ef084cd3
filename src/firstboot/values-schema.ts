import type { Parameter } from "../model/manifest.ts";
import { isPattern } from "./pattern.ts";
import type { ValueType } from "./shipped.ts";
import { choicesOf, typeOf } from "./value-types.ts";

/**
 * JSON Schema (draft 2020-12) of a file of values for a contract: for editors, and for forms of other
 * programs. It describes single values; only `checkValues` checks related values. Keys that end with a number
 * may have any number.
 */
export function valuesSchema(contract: readonly Parameter[], title: string): Record<string, unknown> {
  const indexed = contract.filter(({ key }) => /\.\d+$/.test(key));
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title,
    type: "object",
    required: contract.filter(({ required }) => required).map(({ key }) => key),
    properties: Object.fromEntries(contract.map((one) => [one.key, schemaOf(one)])),
    patternProperties: Object.fromEntries(
      indexed.map((one) => [`^${escaped(one.key.replace(/\d+$/, ""))}[0-9]+$`, schemaOf(one)]),
    ),
    additionalProperties: false,
    $defs: {
      reference: {
        description: "where the value is: an environment variable, a file, or a question",
        oneOf: [
          object("env", { type: "string", pattern: "^[A-Za-z_]\\w*$" }),
          object("file", { type: "string", minLength: 1 }),
          object("prompt", { const: true }),
        ],
      },
    },
  };
}

function object(name: string, schema: Record<string, unknown>) {
  return { type: "object", required: [name], properties: { [name]: schema }, additionalProperties: false };
}

function schemaOf(parameter: Parameter): Record<string, unknown> {
  const { description, password, pattern } = parameter;
  const choices = choicesOf(parameter);
  const form = valueSchemas[typeOf(parameter)];
  const value = {
    ...(choices === undefined || form !== text ? form : { enum: choices }),
    ...(pattern !== undefined && isForEditors(pattern) && { pattern: `^(?:${pattern})$` }),
  };
  return {
    ...(description && { description }),
    ...(parameter.default !== undefined && { default: parameter.default }),
    ...(password && { writeOnly: true }),
    anyOf: [value, { $ref: "#/$defs/reference" }],
  };
}

const text = { type: ["string", "number", "boolean"] };
const list = { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };
const ip = { type: "string", anyOf: [{ format: "ipv4" }, { format: "ipv6" }] };

const valueSchemas: Readonly<Record<ValueType, Record<string, unknown>>> = {
  text,
  boolean: { anyOf: [{ type: "boolean" }, { enum: ["True", "False"] }] },
  "yes-no": { enum: ["yes", "no"] },
  integer: { anyOf: [{ type: "integer" }, { type: "string", pattern: "^-?[0-9]+$" }] },
  ip,
  netmask: { type: "string", format: "ipv4" },
  "ip-list": list,
  hostname: { type: "string", format: "hostname" },
  "domain-list": list,
  "hosts-line": { type: "string" },
  bootproto: { enum: ["dhcp", "static", "none"] },
  device: { type: "string", pattern: "^[A-Za-z][\\w.:@-]{0,14}$" },
  mac: { type: "string", pattern: "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$" },
  path: { type: "string", pattern: "^/" },
  timezone: { type: "string", pattern: "^[A-Za-z][\\w+-]*(/[\\w+-]+)*$" },
  datetime: { type: "string", pattern: "^[0-9]{4}(-[0-9]{1,2}){5}$" },
  selinux: { enum: ["enforcing", "permissive", "disabled"] },
};

/** JSON Schema has patterns of JavaScript, which lacks some of RE2's syntax. */
function isForEditors(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return isPattern(pattern);
  } catch {
    return false;
  }
}

function escaped(words: string): string {
  return words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
