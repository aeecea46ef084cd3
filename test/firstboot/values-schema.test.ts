import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { valuesSchema } from "../../src/firstboot/values-schema.ts";
import type { Parameter } from "../../src/model/manifest.ts";

const parameter = (key: string, more: Partial<Parameter> = {}): Parameter => ({
  key,
  description: `what ${key} is`,
  module: "x",
  required: false,
  hidden: false,
  password: false,
  ...more,
});
const N = "com.oracle.linux.network";
const contract = [
  parameter(`${N}.hostname`),
  parameter(`${N}.ipaddr.0`),
  parameter(`${N}.netmask.0`),
  parameter(`${N}.dns-servers.0`),
  parameter("com.oracle.linux.datetime.utc"),
  parameter("org.tbuild.grid.mode", { required: true }),
  parameter("com.oracle.linux.root-password", { required: true, password: true }),
];
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allowMatchingProperties: true });
addFormats.default(ajv);
const validate = ajv.compile(valuesSchema(contract, "values"));
const least = { "org.tbuild.grid.mode": "none", "com.oracle.linux.root-password": { env: "ROOT" } };

describe("the JSON Schema of a file of values", () => {
  it.each([
    ["the least", ""],
    ["a host name", `${N}.hostname: vm001.example.com`],
    ["a second interface", `${N}.ipaddr.1: 192.0.2.1\n${N}.netmask.1: 255.255.255.0`],
    ["a list", `${N}.dns-servers.0: [192.0.2.1, 192.0.2.2]`],
    ["a truth", "com.oracle.linux.datetime.utc: true"],
    ["a prompt", `${N}.hostname: { prompt: true }`],
  ])("accepts %s", (_, text) => {
    validate({ ...least, ...parse(text) });
    expect(validate.errors).toBeNull();
  });

  it.each([
    ["a key that is not", `${N}.hostnam: a`],
    ["an index where none is", `${N}.hostname.1: a`],
    ["a bad address", `${N}.ipaddr.0: 192.0.2.300`],
    ["a bad truth", "com.oracle.linux.datetime.utc: maybe"],
    ["an unknown reference", `${N}.hostname: { vault: x }`],
  ])("refuses %s", (_, text) => {
    expect(validate({ ...least, ...parse(text) })).toBe(false);
  });

  it("requires required values, and marks secrets", () => {
    expect(validate({})).toBe(false);
    const { properties } = valuesSchema(contract, "values") as {
      properties: Record<string, { writeOnly?: boolean }>;
    };
    expect(properties["com.oracle.linux.root-password"]?.writeOnly).toBe(true);
  });
});
