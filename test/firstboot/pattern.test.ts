import { describe, expect, it } from "vitest";
import { judge } from "../../src/firstboot/judge.ts";
import { isPattern, matchesWhole } from "../../src/firstboot/pattern.ts";
import { valuesSchema } from "../../src/firstboot/values-schema.ts";
import type { Parameter } from "../../src/model/manifest.ts";

const parameter = (pattern: string): Parameter => ({
  key: "org.example.x",
  description: "",
  module: "x",
  required: false,
  hidden: false,
  password: false,
  pattern,
});
const faultsOf = (pattern: string, value: string) =>
  judge([parameter(pattern)], new Map([["org.example.x", value]])).map(
    ({ weight, text }) => `${weight}: ${text}`,
  );

describe("the pattern of a parameter", () => {
  it.each([
    ["a|ab", "ab", true],
    ["a|ab", "abc", false],
    ["[A-Z][A-Z0-9]{0,7}", "ORCL", true],
    ["\\d{4}", "1234\n", false],
    ["(?i)orcl", "Orcl", true],
    ["\\+DATA[^,]*", "+DATA_1", true],
    [".", "ü", true],
  ])("%s is compared with the whole value %j: %s", (pattern, value, is) => {
    expect(matchesWhole(pattern, value)).toBe(is);
    expect(faultsOf(pattern, value).length === 0 || /\n/.test(value)).toBe(is || /\n/.test(value));
  });

  // Each of these keeps a RegExp of JavaScript busy for longer than a test may take.
  it.each(["(a+)+$", "(a|aa)+", "(.*a){25}", "(a*)*b", "([a-z]+)*X", "a*a*a*a*a*a*a*b"])(
    "%s of a foreign template is checked quickly",
    (pattern) => {
      const began = performance.now();
      expect(faultsOf(pattern, `${"a".repeat(8000)}!`)).toEqual([
        expect.stringMatching(/^error: .*in the form/),
      ]);
      expect(performance.now() - began).toBeLessThan(5_000);
    },
  );

  it.each([
    "(",
    "(?=a)b",
    "(a)\\1",
    "a{5000}",
    "(a{500}){500}",
    "(".repeat(1500) + ")".repeat(1500),
    "a".repeat(9000),
  ])("that cannot be checked is reported, and the value is not refused: %.20s", (pattern) => {
    expect(isPattern(pattern)).toBe(false);
    expect(faultsOf(pattern, "x")).toEqual([
      expect.stringMatching(/^warning: is not checked against its module's pattern/),
    ]);
    expect(JSON.stringify(valuesSchema([parameter(pattern)], "t").properties)).not.toContain("pattern");
  });

  it("is in the schema for editors, if JavaScript has the same syntax", () => {
    const schemaOf = (pattern: string) => JSON.stringify(valuesSchema([parameter(pattern)], "t"));
    expect(schemaOf("[A-Z]{2}")).toContain("^(?:[A-Z]{2})$");
    expect(schemaOf("(?i)[A-Z]{2}")).not.toContain("(?i)");
  });
});
