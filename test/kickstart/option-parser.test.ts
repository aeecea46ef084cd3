import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isInteger, parseOptions } from "../../src/kickstart/option-parser.ts";
import { isAmong, optionsOf } from "../../src/kickstart/table.ts";

const rules = optionsOf({
  in: "5789",
  options: "size=# grow noformat fstype= fsoptions= fsprofile= label= labels",
});

// The same options for Python's own parsers. pykickstart of OL6 and OL7 adds the check of texts that begin with `--`.
const script = `
import argparse, json, optparse, sys
names = ["fstype", "fsoptions", "fsprofile", "label"]
flags = ["grow", "noformat", "labels"]
def text(option, opt, value):
    if len(value) > 2 and value.startswith("--"):
        raise optparse.OptionValueError("next")
    return value
class Option(optparse.Option):
    TYPE_CHECKER = dict(optparse.Option.TYPE_CHECKER, string=text)
class Failed(Exception): pass
class Old(optparse.OptionParser):
    def error(self, message): raise Failed(message)
class New(argparse.ArgumentParser):
    def error(self, message): raise Failed(message)
def old(args):
    parser = Old(option_class=Option, add_help_option=False)
    parser.add_option("--size", type="int")
    for name in names: parser.add_option("--" + name)
    for flag in flags: parser.add_option("--" + flag, action="store_true")
    options, words = parser.parse_args(args)
    return words, vars(options)
def new(args):
    parser = New(add_help=False)
    parser.add_argument("--size", type=int)
    for name in names: parser.add_argument("--" + name)
    for flag in flags: parser.add_argument("--" + flag, action="store_true", default=None)
    parser.add_argument("words", nargs="*")
    options = vars(parser.parse_intermixed_args(args))
    return options.pop("words"), options
out = []
for args in json.load(sys.stdin):
    row = []
    for parse in (old, new):
        try:
            words, options = parse(args)
            row.append([words, {k: v for k, v in options.items() if v is not None}])
        except Failed:
            row.append(None)
    out.append(row)
print(json.dumps(out))
`;

const word = fc.constantFrom(
  ..."/ a --grow --gr --g --noformat --no --nof --grow=x --grow= --size --size=5 --size=x --si=7 --si -1 --size=0x1F".split(
    " ",
  ),
  ..."--size=08 --size=010 --fstype --fstype=ext4 --fst --fs=a --f --label --label=a --labe --labels --labels=x".split(
    " ",
  ),
  ...[
    "--",
    "-",
    "-x",
    "-xy",
    "--nosuch",
    "--nosuch=1",
    "--fsoptions=--a",
    "--fsoptions=-",
    "a b",
    "--a b",
    "-a b",
    "--fsprofile",
  ],
);

function ours(args: readonly string[], major: number) {
  const { words, options, errors, unknown } = parseOptions(args, rules, major);
  const values: Record<string, unknown> = {};
  let failed = errors.length > 0 || unknown.length > 0;
  for (const { rule, value } of options) {
    if (rule.value === false) failed ||= value !== undefined;
    else if (value === undefined) failed = true;
    else if (rule.number) failed ||= !isInteger(value, major);
    else if (major <= 7) failed ||= value.length > 2 && value.startsWith("--");
    values[rule.name] = rule.value === false ? true : rule.number ? "number" : value;
  }
  return failed ? null : [words, values];
}

describe("the options of a line", () => {
  it("are what Python's optparse and argparse make of it, for any line", () => {
    const lines = fc.sample(fc.array(word, { maxLength: 5 }), 1500);
    const python: ([string[], Record<string, unknown>] | null)[][] = JSON.parse(
      execFileSync("python3", ["-c", script], { input: JSON.stringify(lines), encoding: "utf8" }),
    );
    const wrong = lines.flatMap((args, at) =>
      [7, 8].flatMap((major, parser) => {
        // `parse_intermixed_args` parses twice and forgets a `--` in between.
        if (major === 8 && args.includes("--")) return [];
        const real = python[at]?.[parser] ?? null;
        const said = real && [
          real[0],
          Object.fromEntries(
            Object.entries(real[1]).map(([key, value]) => [key, key === "size" ? "number" : value]),
          ),
        ];
        const mine = ours(args, major);
        return sorted(said) === sorted(mine) ? [] : [{ major, args, real: sorted(said), mine: sorted(mine) }];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, one) =>
    one !== null && typeof one === "object" && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}

describe("the table of kickstart commands", () => {
  it("has room for releases of two digits", () => {
    const [option] = optionsOf({ in: "89ab", options: "one=:9a~b" });
    expect([8, 9, 10, 11, 1, 0].map((major) => isAmong(option?.in, major))).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(isAmong(option?.warn, 11)).toBe(true);
    expect(isAmong(undefined, 10)).toBe(false);
  });
});
