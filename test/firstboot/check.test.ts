import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkModules, type ForRelease } from "../../src/firstboot/check/index.ts";
import { releases } from "../../src/guest/release.ts";

const of = (...majors: (keyof typeof releases)[]): ForRelease[] =>
  majors.map((major) => ({ name: `ol${major}`, python: releases[major].python }));

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-check-"));
});
afterAll(() => rm(root, { recursive: true }));

interface Pieces {
  readonly name?: string;
  readonly header?: string;
  readonly imports?: string;
  readonly parameters?: string;
  readonly configure?: string;
  readonly more?: string;
  readonly main?: string;
  readonly text?: string | Uint8Array;
  readonly payload?: Readonly<Record<string, string>>;
  /** Payload files that are executable. */
  readonly runs?: readonly string[];
  readonly releases?: readonly ForRelease[];
}

const good = {
  header: "# name: mine\n# configure: 80\n# description: Does something.",
  imports: `try:
    import json
except ImportError:
    import simplejson as json
import os
from templateconfig.cli import main
from templateconfig.common import run_cmd
`,
  parameters: "[{'key': 'org.example.mine.size', 'description': 'Size.'}]",
  configure: "run_cmd(['/opt/mine/run.sh', param.get('org.example.mine.size') or ''])",
  main: "main(do_enumerate, {'configure': do_configure})",
  payload: { "opt/mine/run.sh": "#!/bin/bash\necho ok\n" },
  runs: ["opt/mine/run.sh"],
};

const scriptOf = (pieces: Pieces) => {
  const { header, imports, parameters, configure, main } = { ...good, ...pieces };
  return `#!/usr/bin/env python
### BEGIN PLUGIN INFO
${header}
### END PLUGIN INFO
${imports}

def do_enumerate(target):
    param = []
    if target == 'configure':
        param += ${parameters}
    return json.dumps(param)


def do_configure(param):
    param = json.loads(param)
    ${configure.replaceAll("\n", "\n    ")}
    return json.dumps(param)

${pieces.more ?? ""}
if __name__ == '__main__':
    ${main}
`;
};

let count = 0;
async function made(pieces: Pieces): Promise<string> {
  const name = pieces.name ?? "mine";
  const folder = join(root, String(++count), name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), pieces.text ?? scriptOf(pieces));
  const { payload, runs } = { ...good, ...pieces };
  for (const [path, text] of Object.entries(payload)) {
    const file = join(folder, "payload", path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    if (runs.includes(path)) await chmod(file, 0o755);
  }
  return folder;
}

async function findings(pieces: Pieces): Promise<string[]> {
  const { findings } = await checkModules([await made(pieces)], pieces.releases ?? of(5, 6, 7, 8, 9));
  return findings.map(
    ({ level, file, line, text, remedy }) =>
      `${file.slice(file.indexOf("mine/") + 5)}:${line}: ${level}: ${text}. ${remedy}`,
  );
}

describe("a module that is good has no finding", () => {
  it("with a payload, a parameter and code for every release", async () => {
    expect(await findings({})).toEqual([]);
  });

  it.each<[string, Pieces]>([
    ["that runs a program by its path as one text", { configure: "run_cmd('/opt/mine/run.sh')" }],
    [
      "that starts its script by an interpreter",
      { configure: "run_cmd(['/bin/bash', '/opt/mine/run.sh'])", runs: [] },
    ],
    ["that runs programs of the system", { configure: "run_cmd(['systemctl', 'enable', 'x.service'])" }],
    [
      "that hands a secret over by the environment",
      {
        parameters: "[{'key': 'org.example.mine.password', 'password': True}]",
        configure:
          "os.environ['SECRET'] = param.get('org.example.mine.password') or ''\nrun_cmd(['/opt/mine/run.sh'])",
      },
    ],
    [
      "that defines a function that it does not register",
      { more: "def do_unconfigure(param):\n    run_cmd(['yum', 'remove', 'x'])\n\n" },
    ],
    [
      "for one release only, in its Python",
      { more: "X = {a: 1 for a in 'ab'}\nY = f'{X}'\n", releases: of(8, 9) },
    ],
    ["for old releases only, in theirs", { more: "print 'loaded'\n", releases: of(5, 6, 7) }],
    [
      "that looks after the versions itself",
      {
        imports: `${good.imports}try:\n    import configparser\nexcept ImportError:\n    import ConfigParser as configparser\n`,
      },
    ],
    ["that mentions NFS and mounts nothing", { more: "# NFS: mount -t nfs is done later\n" }],
    [
      "whose script mentions a mount in a comment and in a text",
      {
        payload: {
          "opt/mine/run.sh": "#!/bin/sh\n# mount -t nfs a:/b /c\ncat <<EOF\nmount -t nfs a:/b /c\nEOF\n",
        },
      },
    ],
    [
      "with keys in a name space of Oracle's that no module of Oracle has",
      { parameters: "[{'key': 'com.oracle.linux.satellite.server', 'required': True}]" },
    ],
    [
      "with cleanup too",
      {
        header: `${good.header}\n# cleanup: 20`,
        main: "main(do_enumerate, {'configure': do_configure, 'cleanup': do_configure})",
      },
    ],
  ])("%s", async (_name, pieces) => {
    expect(await findings(pieces)).toEqual([]);
  });

  it.each(["../../recipes/modules/grid", "by-hand/answer"])("%s", async (path) => {
    const folder = resolve(import.meta.dirname, path);
    expect((await checkModules([folder], of(5, 6, 7, 8, 9))).findings).toEqual([]);
  });
});

const broken: readonly (readonly [string, Pieces, RegExp])[] = [
  // The header
  [
    "no header",
    { text: "#!/usr/bin/env python\nimport json\n" },
    /mine:1: error: header: no line "### BEGIN PLUGIN INFO"/,
  ],
  [
    "no end of the header",
    { text: "#!/usr/bin/env python\n### BEGIN PLUGIN INFO\n# name: mine\n" },
    /header: no line "### END/,
  ],
  [
    "another name than the folder's",
    { header: "# name: other\n# configure: 80\n# description: x" },
    /mine:3: error: header: the name "other"/,
  ],
  [
    "an unknown target",
    { header: `${good.header}\n# boot: 3` },
    /mine:6: error: header: "boot" is not a target/,
  ],
  [
    "no priority",
    { header: "# name: mine\n# configure: high\n# description: x" },
    /mine:4: error: header: configure: "high"/,
  ],
  [
    "a priority of three digits",
    { header: "# name: mine\n# configure: 100\n# description: x" },
    /mine:4: error: header: configure: "100"/,
  ],
  ["no description", { header: "# name: mine\n# configure: 80" }, /error: header: no description/],
  [
    "a target in the header alone",
    { header: `${good.header}\n# cleanup: 20` },
    /mine:\d+: error: the header has cleanup, but main does not/,
  ],
  [
    "a target in main alone",
    { main: "main(do_enumerate, {'configure': do_configure, 'cleanup': do_configure})" },
    /error: main has cleanup, but the header does not/,
  ],
  [
    "a target that does not exist",
    { main: "main(do_enumerate, {'configure': do_configure, 'confgure': do_configure})" },
    /error: main gets the target "confgure"/,
  ],
  // The program
  ["no call of main", { main: "pass" }, /error: never calls main of templateconfig.cli/],
  [
    "a main of its own",
    {
      imports: good.imports.replace("from templateconfig.cli import main\n", ""),
      more: "def main(a, b):\n    pass\n",
    },
    /calls a main other than that of templateconfig/,
  ],
  [
    "a function that is not there",
    { main: "main(do_enumerate, {'configure': configure})" },
    /mine:\d+: error: the name configure is not defined/,
  ],
  [
    "an enumerator that is not there",
    { main: "main(enumerate_all, {'configure': do_configure})" },
    /error: the first argument of main is not a function/,
  ],
  [
    "a misspelt name",
    { configure: "run_cdm(['/opt/mine/run.sh'])" },
    /mine:25: error: the name run_cdm is not defined/,
  ],
  [
    "a forgotten import",
    { configure: "shutil.rmtree('/opt/mine')" },
    /error: the name shutil is not defined/,
  ],
  [
    "a function without its argument",
    { more: "def do_x():\n    return '{}'\n", main: "main(do_enumerate, {'configure': do_x})" },
    /error: do_x takes 0 arguments/,
  ],
  [
    "a function that returns nothing",
    {
      more: "def do_x(param):\n    run_cmd(['/opt/mine/run.sh'])\n",
      main: "main(do_enumerate, {'configure': do_x})",
    },
    /error: do_x does not return JSON text/,
  ],
  [
    "a function that returns a dict",
    { more: "def do_x(param):\n    return {'a': 1}\n", main: "main(do_enumerate, {'configure': do_x})" },
    /error: do_x does not return JSON text/,
  ],
  [
    "an f-string for OL6",
    { more: "X = f'{os.sep}'\n", releases: of(6) },
    /mine:\d+: error: an f-string needs Python 3.6; fails on ol6 \(Python 2.6\)/,
  ],
  [
    "a print statement for OL8",
    { more: "print 'x'\n", releases: of(8) },
    /error: the print statement was removed in Python 3; fails on ol8 \(Python 3.6\)/,
  ],
  [
    "a dict comprehension for OL6 and OL7",
    { more: "X = {a: 1 for a in 'ab'}\n", releases: of(6, 7) },
    /fails on ol6 \(Python 2.6\)/,
  ],
  [
    "json alone for OL5",
    {
      imports: good.imports.replace(/try:[\s\S]*?json\nimport os/, "import json\nimport os"),
      releases: of(5),
    },
    /error: the module json needs Python 2.6; fails on ol5/,
  ],
  [
    "a method that Python 3 lost",
    { configure: "for k, v in param.iteritems():\n    pass", releases: of(9) },
    /\.iteritems\(\) was removed in Python 3/,
  ],
  [
    "argparse for OL6",
    { imports: `${good.imports}import argparse\n`, releases: of(6) },
    /the module argparse needs Python 2.7/,
  ],
  [
    "subprocess.run for OL7",
    {
      imports: `${good.imports}import subprocess\n`,
      configure: "subprocess.run(['/opt/mine/run.sh'])",
      releases: of(7),
    },
    /subprocess.run needs Python 3.5/,
  ],
  [
    "{} in a format for OL6",
    { configure: "run_cmd(['/opt/mine/run.sh', '{}'.format(1)])", releases: of(6) },
    /\{\} without a number/,
  ],
  ["no Python at all", { more: "if x\n    pass\n" }, /mine:\d+: error: (?:a syntax error|":" is missing)/],
  [
    "a parenthesis that is not closed",
    { configure: "run_cmd(['/opt/mine/run.sh'" },
    /error: (?:a syntax error|"[)\]]" is missing)/,
  ],
  [
    "letters beyond ASCII without an encoding",
    { more: "X = 'Zürich'\n", releases: of(6) },
    /a letter beyond ASCII needs a line/,
  ],
  [
    "tabs and blanks mixed",
    { more: "if True:\n        X = 1\n\tY = 2\n", releases: of(8) },
    /tabs and blanks are mixed/,
  ],
  // Parameters
  [
    "enumerate without an end",
    { text: scriptOf({}).replace("    param = []\n", "    while True:\n        pass\n") },
    /mine:\d+: error: never ends/,
  ],
  [
    "a parameter without a key",
    { parameters: "[{'description': 'x'}]" },
    /error: enumerates a parameter without a key/,
  ],
  ["a parameter twice", { parameters: "[{'key': 'a.b'}, {'key': 'a.b'}]" }, /error: enumerates a.b twice/],
  [
    "a key of Oracle's",
    { parameters: "[{'key': 'com.oracle.linux.network.hostname'}]" },
    /is in the name space of Oracle's module network/,
  ],
  [
    "the root password",
    { parameters: "[{'key': 'com.oracle.linux.root-password'}]" },
    /Oracle's module authentication/,
  ],
  ["a key without a name space", { parameters: "[{'key': 'size'}]" }, /the key size has no name space/],
  ["a key with a blank", { parameters: "[{'key': 'a. b'}]" }, /"a. b" is not a valid key of a message/],
  ["a key that is too long", { parameters: "[{'key': 'a.' + 'b' * 300}]" }, /has 302 bytes/],
  [
    "a list that a program makes",
    { parameters: "os.popen('ls').read().split()" },
    /warning: the parameters of configure cannot be known/,
  ],
  [
    "no list",
    { text: scriptOf({}).replace("    return json.dumps(param)", "    return json.dumps({'a': 1})") },
    /does not return a list/,
  ],
  [
    "a secret that is not marked",
    { parameters: "[{'key': 'a.password'}]" },
    /warning: a.password looks like a secret/,
  ],
  [
    "a field that nobody knows",
    { parameters: "[{'key': 'a.b', 'requird': True}]" },
    /warning: a.b has "requird"/,
  ],
  // What it runs
  [
    "one text with arguments",
    { configure: "run_cmd('/opt/mine/run.sh --all')" },
    /mine:25: error: run_cmd gets a program and its arguments as one text/,
  ],
  [
    "one text put together",
    { configure: "run_cmd('/opt/mine/run.sh %s' % param.get('org.example.mine.size'))" },
    /error: run_cmd gets a program and its arguments as one text/,
  ],
  [
    "a secret on a command line",
    {
      parameters: "[{'key': 'a.pw', 'password': True}]",
      configure: "run_cmd(['/opt/mine/run.sh', '--password=' + param['a.pw']])",
    },
    /error: puts a.pw on a command line/,
  ],
  [
    "a secret by way of a variable",
    {
      parameters: "[{'key': 'a.pw', 'password': True}]",
      configure:
        "pw = param.get('a.pw', '').strip()\nargs = ['/opt/mine/run.sh']\nargs.append('pw=%s' % pw)\nrun_cmd(args)",
    },
    /error: puts a.pw on a command line/,
  ],
  [
    "a secret in one branch",
    {
      parameters: "[{'key': 'a.pw', 'password': True}]",
      configure: "if param.get('a.pw'):\n    run_cmd(['/opt/mine/run.sh', param.get('a.pw')])",
    },
    /error: puts a.pw on a command line/,
  ],
  [
    "a shell command made of a parameter",
    { configure: "os.system('/opt/mine/run.sh ' + param.get('org.example.mine.size'))" },
    /warning: builds a shell command of the parameter/,
  ],
  [
    "a question to nobody",
    { configure: "x = raw_input('Size? ')", releases: of(6) },
    /error: asks with raw_input at configure/,
  ],
  [
    "a program that the payload has not",
    { configure: "run_cmd(['/opt/mine/other.sh'])" },
    /error: starts \/opt\/mine\/other.sh, which is not in the payload/,
  ],
  [
    "a program that is not executable",
    { runs: [] },
    /run.sh:1: error: is started by the module, but is not executable/,
  ],
  [
    "NFS at configure",
    { configure: "run_cmd(['mount', '-t', 'nfs', 'server:/share', '/mnt'])" },
    /error: mounts NFS at configure/,
  ],
  [
    "NFS in its script",
    { payload: { "opt/mine/run.sh": "#!/bin/sh\nset -e\nmount server:/share /mnt\n" } },
    /run.sh:3: error: mounts NFS at configure/,
  ],
  [
    "the network before it is up",
    {
      header: "# name: mine\n# configure: 40\n# description: x",
      configure: "run_cmd(['wget', 'http://server/x'])",
    },
    /runs wget at configure: 40/,
  ],
  [
    "the network before it is up, in its script",
    {
      header: "# name: mine\n# configure: 45\n# description: x",
      payload: { "opt/mine/run.sh": "#!/bin/bash\nif true; then yum -y install x; fi\n" },
    },
    /run.sh:2: error: runs yum at configure: 45/,
  ],
  [
    "the priority of one of Oracle's",
    { header: "# name: mine\n# configure: 90\n# description: x" },
    /mine:4: warning: configure: 90 is also the priority of Oracle's module authentication/,
  ],
  // Files
  [
    "the name of one of Oracle's",
    { name: "network", header: "# name: network\n# configure: 80\n# description: x" },
    /network is the name of one of Oracle's modules/,
  ],
  [
    "the system's accounts in its payload",
    { payload: { ...good.payload, "etc/shadow": "root::1::::::\n" } },
    /shadow:1: error: would replace \/etc\/shadow, the system's accounts/,
  ],
  [
    "a module of Oracle's in its payload",
    { payload: { ...good.payload, "etc/template.d/scripts/network": "x" } },
    /would replace \/etc\/template.d\/scripts\/network/,
  ],
  [
    "a program of the system in its payload",
    { payload: { ...good.payload, "usr/sbin/ovm-chkconfig": "x" } },
    /a program of Oracle's additions/,
  ],
  [
    "CR-LF in the script",
    { text: scriptOf({}).replaceAll("\n", "\r\n") },
    /mine:1: error: lines end with CR-LF/,
  ],
  [
    "CR-LF in the payload",
    { payload: { "opt/mine/run.sh": "#!/bin/sh\r\necho\r\n" } },
    /run.sh:1: error: lines end with CR-LF/,
  ],
  [
    "Latin-1",
    { text: Buffer.from(scriptOf({ more: "# Z\u00fcrich\n" }), "latin1") },
    /mine:28: error: not UTF-8/,
  ],
  ["a byte order mark", { text: `\ufeff${scriptOf({})}` }, /mine:1: error: with a byte order mark/],
  ["UTF-16", { text: Buffer.from(`\ufeff${scriptOf({})}`, "utf16le") }, /mine:1: error: the file is UTF-16/],
  [
    "an interpreter without a path",
    { payload: { "opt/mine/run.sh": "#!bash\necho\n" } },
    /run.sh:1: error: #!bash is not an absolute path/,
  ],
  [
    "no interpreter",
    { payload: { "opt/mine/run.sh": "echo\n" } },
    /run.sh:1: warning: is executable, but its first line names no interpreter/,
  ],
];

describe("a module that is broken is reported with file, line and remedy", () => {
  it.each(broken)("%s", async (_name, pieces, wanted) => {
    const found = await findings(pieces);
    expect(found.join("\n")).toMatch(wanted);
    for (const line of found) expect(line).toMatch(/^\S+:[1-9]\d*: (?:error|warning): \S.*\. \S/);
  });

  it("finds nothing else in most of them", async () => {
    const counts = await Promise.all(broken.map(async ([, pieces]) => (await findings(pieces)).length));
    expect(counts.filter((one) => one === 1).length).toBeGreaterThan(broken.length * 0.7);
  });
});

it("a script made to delay the check is reported immediately", async () => {
  for (const piece of ["{", "((((", "[a, ", "f(", "if x:\n ", "x = not ", "lambda: ", "a = 'b", "try:\n "])
    expect((await findings({ text: piece.repeat(30_000 / piece.length) })).length).toBeGreaterThan(0);
});

describe("modules beside each other", () => {
  it("may not share a key or a file", async () => {
    const one = await made({});
    const two = join(root, "beside/other");
    await mkdir(join(two, "payload/opt/mine"), { recursive: true });
    const script = (await readFile(join(one, "mine"), "utf8")).replace("# name: mine", "# name: other");
    await writeFile(join(two, "other"), script);
    await writeFile(join(two, "payload/opt/mine/run.sh"), "#!/bin/sh\n");
    await chmod(join(two, "payload/opt/mine/run.sh"), 0o755);
    const { findings } = await checkModules([one, two], of(6));
    expect(findings.map(({ text }) => text).sort()).toEqual([
      "brings /opt/mine/run.sh, as the module mine does",
      "configure: 80 is also the priority of the module mine; which runs first depends on their names",
      "enumerates the key org.example.mine.size, as the module mine does",
    ]);
  });
});

describe("without a release", () => {
  it("one Python that reads the program is enough, and the releases that do are named", async () => {
    const folder = await made({ more: "X = f'{os.sep}'\n" });
    const { findings, reports } = await checkModules([folder], of(5, 6, 7, 8, 9), false);
    expect(findings).toEqual([]);
    expect(reports[0]?.runsOn).toEqual(["ol8", "ol9"]);
  });
});
