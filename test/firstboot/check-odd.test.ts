import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkModules } from "../../src/firstboot/check/index.ts";
import { releases } from "../../src/guest/release.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-odd-"));
});
afterAll(() => rm(root, { recursive: true }));

const script = `#!/usr/bin/env python
### BEGIN PLUGIN INFO
# name: mine
# configure: 80
# description: Does something.
### END PLUGIN INFO
import os
import simplejson as json
from templateconfig.cli import main
from templateconfig.common import run_cmd


def do_enumerate(target):
    param = [{'key': 'org.example.mine.size', 'description': 'Size.'}]
    return json.dumps(param)


def do_configure(param):
    run_cmd(['/opt/mine/run.sh'])
    return param


main(do_enumerate, {'configure': do_configure})
`;
const body = "    run_cmd(['/opt/mine/run.sh'])\n";
const enumerates = /def do_enumerate[\s\S]*?\n\n\n/;

interface Odd {
  /** Changes the script. */
  readonly text?: (script: string) => string | Uint8Array;
  readonly releases?: readonly (5 | 6 | 7 | 8 | 9)[];
  readonly after?: (folder: string) => unknown;
}

let count = 0;
async function findings({ text, releases: of = [6, 7], after }: Odd): Promise<string[]> {
  const folder = join(root, String(++count), "mine");
  const program = join(folder, "payload/opt/mine/run.sh");
  await mkdir(dirname(program), { recursive: true });
  await writeFile(program, "#!/bin/bash\necho ok\n");
  await chmod(program, 0o755);
  await writeFile(join(folder, "mine"), text?.(script) ?? script);
  await after?.(folder);
  const majors = of.map((major) => ({ name: `ol${major}`, python: releases[major].python }));
  const { findings } = await checkModules([folder], majors);
  return findings.map(
    ({ level, file, line, text, remedy }) =>
      `${file.slice(file.indexOf("mine/") + 5)}:${line}: ${level}: ${text}. ${remedy}`,
  );
}

describe("a module has one finding, with file, line and remedy,", () => {
  it.each<[string, Odd, RegExp]>([
    ...["eighty", "-5", "100", "80.5", "080"].map((priority): [string, Odd, RegExp] => [
      `for the priority ${priority}`,
      { text: (text) => text.replace("80", priority) },
      /^mine:4: error: header: configure: "\S+" is not a number from 0 to 99/,
    ]),
    [
      "for a target with a capital",
      { text: (text) => text.replace("# configure", "# Configure") },
      /^mine:4: .*did you mean configure\?/,
    ],
    [
      "for a header like that of an init script",
      { text: (text) => text.replaceAll("PLUGIN INFO", "INIT INFO") },
      /^mine:1: error: header: no line "### BEGIN PLUGIN INFO"/,
    ],
    [
      "for a header without an end",
      { text: (text) => text.replace("### END PLUGIN INFO\n", "") },
      /^mine:2: error: header: no line "### END PLUGIN INFO" follows/,
    ],
    [
      "for a byte order mark",
      { text: (text) => `\ufeff${text}` },
      /^mine:1: error: with a byte order mark before #!/,
    ],
    [
      "for line ends of DOS",
      { text: (text) => text.replaceAll("\n", "\r\n") },
      /^mine:1: error: lines end with CR-LF/,
    ],
    [
      "for line ends of an old Mac",
      { text: (text) => text.replaceAll("\n", "\r") },
      /^mine:1: error: lines end with CR alone/,
    ],
    [
      "for Latin-1 that no line declares",
      { text: (text) => Buffer.from(text.replace("Size.", "Gr\u00f6\u00dfe."), "latin1") },
      /^mine:14: error: not UTF-8, and no line names another encoding/,
    ],
    [
      "for an encoding that is none",
      { text: (text) => text.replace("\n", "\n# coding: klingon\n") },
      /^mine:2: error: declares the encoding klingon/,
    ],
    [
      "for tabs that lead to another column than the parser's",
      {
        text: (text) => text.replace(body, `    if os:\n    \tos.getpid()\n            os.getpid()\n${body}`),
      },
      /^mine:21: error: tabs and blanks are mixed in the indentation; fails on ol6/,
    ],
    [
      "for tabs that Python 3 refuses",
      { text: (text) => text.replace(body, `    if os:\n\tos.getpid()\n${body}`), releases: [8] },
      /^mine:20: error: tabs and blanks are mixed/,
    ],
    [
      "for async as a name",
      { text: (text) => text.replace(body, `    async = 1\n${body}`), releases: [6, 9] },
      /^mine:19: error: async or await as a name was removed in Python 3.7; fails on ol9 \(Python 3.9\)/,
    ],
    [
      "for the Python of another release in its first line",
      { text: (text) => text.replace("env python", "python3") },
      /^mine:1: error: the first line names Python 3, .*fails on ol6 \(Python 2.6\), ol7/,
    ],
    [
      "for an octal number of Python 2",
      { text: (text) => text.replace(body, `    os.chmod('/x', 0755)\n${body}`), releases: [8] },
      /^mine:19: error: an octal number that starts with 0/,
    ],
    [
      "for match on OL8",
      {
        text: (text) => text.replace(body, `    match 1:\n        case 1:\n            pass\n${body}`),
        releases: [8],
      },
      /^mine:19: error: match needs Python 3.10/,
    ],
    [
      "for parameters that are a list, not JSON",
      { text: (text) => text.replace("return json.dumps(param)", "return param") },
      /^mine:13: error: the function that enumerates returns a list, but ovm-template-config reads JSON/,
    ],
    [
      "for an enumeration that calls itself for ever",
      {
        text: (text) =>
          text.replace(enumerates, "def do_enumerate(target):\n    return do_enumerate(target)\n\n\n"),
      },
      /^mine:13: error: never ends/,
    ],
    [
      "for a list that grows while it is looped over",
      {
        text: (text) =>
          text.replace(
            "    return json.dumps(param)",
            "    for one in param:\n        param.append(one)\n    return json.dumps(param)",
          ),
      },
      /^mine:15: error: never ends/,
    ],
    [
      "for a link out of the payload",
      { after: (folder) => symlink("/etc/shadow", join(folder, "payload/opt/mine/shadow")) },
      /^payload\/opt\/mine\/shadow:1: error: is a symbolic link to \/etc\/shadow/,
    ],
    [
      "for a link within the payload",
      { after: (folder) => symlink("run.sh", join(folder, "payload/opt/mine/again.sh")) },
      /^payload\/opt\/mine\/again.sh:1: error: is a symbolic link to run.sh/,
    ],
    [
      "for a pipe in the payload",
      { after: (folder) => spawnSync("mkfifo", [join(folder, "payload/opt/mine/pipe")]) },
      /^payload\/opt\/mine\/pipe:1: error: is neither a file nor a folder/,
    ],
  ])("%s", async (_, odd, wanted) => {
    const found = await findings(odd);
    expect(found).toEqual([expect.stringMatching(wanted)]);
    expect(found[0]).toMatch(/^\S+:\d+: error: .+\. .+/);
  });
});

describe("a module has no finding", () => {
  it.each<[string, Odd]>([
    ["as it is", {}],
    [
      "in Latin-1 that it declares",
      {
        text: (text) =>
          Buffer.from(
            text.replace("\n", "\n# -*- coding: latin-1 -*-\n").replace("Size.", "Gr\u00f6\u00dfe."),
            "latin1",
          ),
      },
    ],
    [
      "with tabs where each Python sees the same",
      {
        text: (text) => text.replace(body, `    if os:\n    \tos.getpid()\n    else:\n    \tpass\n${body}`),
        releases: [5, 6, 7],
      },
    ],
    [
      "with Python 3 in its first line, on OL8",
      { text: (text) => text.replace("env python", "python3").replace("simplejson", "json"), releases: [8] },
    ],
  ])("%s", async (_, odd) => expect(await findings(odd)).toEqual([]));
});

describe("the program of a module.yaml", () => {
  const findingsOf = async (line: string) => {
    const folder = join(root, String(++count), "mine");
    const program = join(folder, "payload/opt/mine/run.sh");
    await mkdir(dirname(program), { recursive: true });
    await writeFile(program, `#!/bin/sh\n${line}\n`);
    await chmod(program, 0o755);
    await writeFile(
      join(folder, "module.yaml"),
      "name: mine\ndescription: Does it.\ntargets: { configure: 80 }\nparameters: [{ name: db-password, description: D, password: true }]\nrun: { program: /opt/mine/run.sh }\n",
    );
    const { findings } = await checkModules([folder], [{ name: "ol6", python: [2, 6] }]);
    return findings.map(({ line, text }) => `${line}: ${text}`);
  };

  it.each([
    "sqlplus sys/$DB_PASSWORD",
    `A=1 mysql -p"$\{DB_PASSWORD}" x`,
    "if curl -u x:$DB_PASSWORD y; then :; fi",
  ])("may not put a secret on a command line: %s", async (line) =>
    expect(await findingsOf(line)).toEqual([
      expect.stringMatching(/^2: puts \$DB_PASSWORD on the command line of/),
    ]),
  );

  it.each([
    `printf '%s' "$DB_PASSWORD" | passwd --stdin x`,
    `PASSWORD=$DB_PASSWORD tool`,
    `[ -n "$DB_PASSWORD" ] || exit 1`,
    `tool <<< "$DB_PASSWORD"`,
    `tool $DB_PASSWORD_FILE`,
  ])("may hand it over otherwise: %s", async (line) => expect(await findingsOf(line)).toEqual([]));
});
