import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkAnswers, checkKickstart, checkNames } from "../../src/kickstart/check.ts";
import { quotedWord, shellWords } from "../../src/kickstart/shell-words.ts";

/** Lines and sections, each with a verdict for every release. */
function verdictsIn(file: string) {
  const [, ...rows] = readFileSync(join(import.meta.dirname, file), "utf8")
    .trimEnd()
    .split("\n");
  return rows.flatMap((row) => {
    const [line = "", ...said] = row.split("\t");
    return said.slice(0, 5).map((verdict, index) => ({ line, major: index + 5, verdict }));
  });
}

function wrongOf(verdicts: ReturnType<typeof verdictsIn>): string[] {
  return verdicts
    .map((one) => ({ ...one, ours: verdictOf(one.line.split(" ⏎ ").join("\n"), one.major) }))
    .filter((one) => one.ours !== one.verdict)
    .map((one) => `OL${one.major} ${one.line}: is ${one.verdict}, we say ${one.ours}`);
}

function verdictOf(text: string, major: number): string {
  const faults = checkKickstart(text, major);
  if (faults.some((fault) => fault.severity === "error")) return "FAIL";
  return faults.length > 0 ? "warn" : "ok";
}

describe("the table of kickstart commands", () => {
  // 175 lines, each put to the real parser of every release.
  it("agrees with the release's own parser for every line", () => {
    const verdicts = verdictsIn("kickstart-lines.tsv");
    expect(verdicts).toHaveLength(875);
    expect(wrongOf(verdicts)).toEqual([]);
  });

  it("says of further lines what the handlers of the releases and their tests say", () => {
    const verdicts = verdictsIn("kickstart-more-lines.tsv");
    expect(verdicts.length).toBeGreaterThan(500);
    expect(wrongOf(verdicts)).toEqual([]);
  });

  it("names the line and the nearest word", () => {
    expect(checkKickstart("cdrom\nnetwrok --bootproto=dhcp\nrootpw --iscripted x\n", 7)).toEqual([
      { line: 2, severity: "error", text: 'OL7 has no command netwrok; did you mean "network"?' },
      { line: 3, severity: "error", text: 'rootpw of OL7 has no --iscripted; did you mean "--iscrypted"?' },
    ]);
  });

  it("says what an update does not have yet, if the update is known", () => {
    const said = (text: string, major: number, update?: number) =>
      checkKickstart(text, major, update).map((fault) => fault.text);
    expect(said("reqpart\n", 7, 0)).toEqual(["OL7.0 does not have reqpart; a later update added it"]);
    expect(said("reqpart\n", 7, 4)).toEqual([]);
    expect(said("reqpart\n", 7)).toEqual([]);
    expect(said("reqpart\n", 8, 0)).toEqual([]);
    expect(said("clearpart --all --disklabel=gpt\n", 7, 0)).toEqual([
      "OL7.0 does not have --disklabel of clearpart; a later update added it",
    ]);
    expect(said("ignoredisk --only-use=sda\n", 5, 2)).toEqual([
      "--only-use of ignoredisk was added in OL5.3",
    ]);
    expect(said("network --device=eth0 --activate\n", 6, 0)).toEqual([
      "OL6.0 does not have --activate of network; a later update added it",
    ]);
    expect(said("%onerror\necho\n%end\n", 7, 0)).toEqual([
      "OL7.0 does not have %onerror; a later update added it",
    ]);
  });

  it.each([
    ["lang de_CX.UTF-8", 8, 'there is no language "de_CX"; did you mean "de_CH"?'],
    ["lang de_CH.UTF8", 8, undefined],
    ["lang en_US.UTF-8 --addsupport=de_DE,xx_YY", 8, 'there is no language "xx_YY"'],
    ["keyboard de-latin2", 6, 'OL6 has no keyboard "de-latin2"; did you mean "de-latin1"?'],
    ["keyboard za", 6, 'OL6 has no keyboard "za"'],
    ["keyboard za", 7, undefined],
    ["keyboard --vckeymap=uss --xlayouts='us (dvorak)','ch'", 9, 'OL9 has no keyboard "uss"'],
    ["keyboard --xlayouts='us (dvorak)','ch (fr)'", 9, undefined],
    ["timezone --utc Europe/Zurch", 7, 'there is no time zone "Europe/Zurch"; did you mean "Europe/Zurich"?'],
    ["timezone US/Eastern --utc", 5, undefined],
  ])("warns of names that no release knows, which the parser accepts: %s on OL%i", (line, major, fault) => {
    const text = `rootpw x\n${line}\n`;
    expect(checkKickstart(text, major)).toEqual([]);
    expect(checkNames(text, major)).toEqual(
      fault === undefined ? [] : [{ line: 2, severity: "warning", text: expect.stringContaining(fault) }],
    );
  });

  it("lists the installer's questions", () => {
    expect(checkAnswers("lang en_US\nkeyboard us\nrootpw x\n", 6).map((fault) => fault.text)).toEqual([
      expect.stringMatching(/^timezone is missing/),
      expect.stringMatching(/^part or partition or autopart or mount is missing/),
      expect.stringMatching(/^%packages is missing/),
      expect.stringMatching(/^poweroff or reboot or halt or shutdown is missing/),
    ]);
  });
});

describe("the words of a line", () => {
  it("are what Python's shlex gives, for any line", () => {
    const character = fc.constantFrom(..."ab #'\"\\=-\t\v\u00a0");
    const lines = fc.sample(fc.string({ unit: character, maxLength: 12 }), 400);
    const script =
      "import json,shlex,sys\nout=[]\nfor line in json.load(sys.stdin):\n  try: out.append(shlex.split(line + '\\n', comments=True))\n  except ValueError as e: out.append(str(e))\nprint(json.dumps(out))";
    const expected = JSON.parse(
      execFileSync("python3", ["-c", script], { input: JSON.stringify(lines), encoding: "utf8" }),
    );
    const ours = lines.map((line) => {
      try {
        return shellWords(line);
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(ours).toEqual(expected);
  });

  it("come back from quoting as they were", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii", minLength: 1 }), (text) => {
        expect(shellWords(`part --label=${quotedWord(text)} /`)[1]).toBe(`--label=${text}`);
      }),
    );
  });
});
