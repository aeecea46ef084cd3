import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileFaults } from "../../src/firstboot/python/compile-faults.ts";
import { incompatibleSyntax, type PythonVersion } from "../../src/firstboot/python/features.ts";
import { missingFromLibrary } from "../../src/firstboot/python/library.ts";
import { libraryDifferences } from "../../src/firstboot/python/library-differences.ts";
import { withPython } from "../../src/firstboot/python/script.ts";

// Each piece of syntax with the versions of 2.4, 2.5, 2.6, 2.7, 3.6, 3.9, 3.11 that accept it, by "What's New in Python".
const pieces: readonly (readonly [string, string])[] = [
  ["x = 1 if y else 2\n", "2.5+"],
  ["try:\n    a()\nexcept A:\n    b()\nfinally:\n    c()\n", "2.5+"],
  ["try:\n    a()\nexcept A:\n    b()\n", "all"],
  ["with a() as b:\n    c()\n", "2.6+"],
  ["from __future__ import with_statement\nwith a() as b:\n    c()\n", "2.5+"],
  ["try:\n    a()\nexcept A as e:\n    b()\n", "2.6+"],
  ["x = b'a'\n", "2.6+"],
  ["x = 0o17\n", "2.6+"],
  ["x = 0b11\n", "2.6+"],
  ["@d\nclass A(object):\n    pass\n", "2.6+"],
  ["@d\ndef f():\n    pass\n", "all"],
  ["from __future__ import print_function\nprint('a', file=f)\n", "2.6+"],
  ["x = {1, 2}\n", "2.7+"],
  ["x = {a: 1 for a in b}\n", "2.7+"],
  ["x = {a for a in b}\n", "2.7+"],
  ["x = [a for a in b]\n", "all"],
  ["x = dict((a, 1) for a in b)\n", "all"],
  ["with a() as b, c() as d:\n    pass\n", "2.7+"],
  ["def f():\n    x = 1\n    def g():\n        nonlocal x\n", "3"],
  ["raise A from b\n", "3"],
  ["def f(a: int) -> int:\n    pass\n", "3"],
  ["def f(a, *, b):\n    pass\n", "3"],
  ["a, *b = c\n", "3"],
  ["def f(*a, **b):\n    f(*a, **b)\n", "all"],
  ["print('a', file=f)\n", "3"],
  ["print('a')\n", "all"],
  ["class A(metaclass=M):\n    pass\n", "3"],
  ["async def f():\n    await g()\n", "3"],
  ["x = [*a, *b]\n", "3"],
  ["x = {**a}\n", "3"],
  ["x = f'{a}'\n", "3.6+"],
  ["x = 1_000\n", "3.6+"],
  ["x: int = 5\n", "3.6+"],
  ["if (n := 1):\n    pass\n", "3.8+"],
  ["def f(a, /):\n    pass\n", "3.8+"],
  ["x = f'{a=}'\n", "3.8+"],
  ["match x:\n    case 1:\n        pass\n", "3.10+"],
  ["print 'a'\n", "2"],
  ["print >>f, 'a'\n", "2"],
  ["exec 'a' in d\n", "2"],
  ["exec('a')\n", "all"],
  ["try:\n    a()\nexcept A, e:\n    b()\n", "2"],
  ["raise A, 'b'\n", "2"],
  ["x = a <> b\n", "2"],
  ["x = `a`\n", "2"],
  ["x = 0777\n", "2"],
  ["x = 0\n", "all"],
  ["x = 10L\n", "2"],
  ["x = ur'a'\n", "2"],
  ["x = u'a'\n", "all"],
  ["x = r'a'\n", "all"],
  ["def f(a, (b, c)):\n    pass\n", "2"],
  ["x = 'é'\n", "3"],
  ["# -*- coding: utf-8 -*-\nx = 'é'\n", "all"],
  ["if a:\n\tb()\nif c:\n    d()\n", "all"],
  ["if a:\n        b()\n\tc()\n", "2"],
  ["def f(:\n    pass\n", "none"],
  ["x = = 1\n", "none"],
  ["if x\n    pass\n", "none"],
  ["x = (1, 2\n", "none"],
  ["x = 'a\n", "none"],
  // What the compiler refuses, not the grammar
  ["def f():\n    return 1\n", "all"],
  ["return 1\n", "none"],
  ["class A:\n    return 1\n", "none"],
  ["yield 1\n", "none"],
  ["break\n", "none"],
  ["for x in y:\n    def f():\n        break\n", "none"],
  ["for x in y:\n    pass\nelse:\n    continue\n", "none"],
  ["while x:\n    if y:\n        break\n    continue\n", "all"],
  ["while x:\n    try:\n        pass\n    finally:\n        continue\n", "3.8+"],
  ["def f(a, a):\n    pass\n", "none"],
  ["def f(a=1, b):\n    pass\n", "none"],
  ["def f(a, b=1, *c, **d):\n    pass\n", "all"],
  ["def f(a=1, *, b):\n    pass\n", "3"],
  ["f(a=1, 2)\n", "none"],
  ["f(a=1, a=2)\n", "none"],
  ["f(1, b=2, *c, **d)\n", "all"],
  ["f(*c, b=2)\n", "2.6+"],
  ["f(*c, 2)\n", "3.5+"],
  ["f(*c, *d)\n", "3.5+"],
  ["f(**c, **d)\n", "3.5+"],
  ["def f():\n    yield 1\n    return 2\n", "3.3+"],
  ["def f():\n    def g():\n        yield 1\n    return 2\n", "all"],
  ["'doc'\nfrom __future__ import division\nx = 1\n", "all"],
  ["x = 1\nfrom __future__ import division\n", "none"],
  ["from __future__ import annotations\n", "3.7+"],
  ["from __future__ import braces\n", "none"],
  ["def f():\n    from os import *\n", "2"],
  ["@a.b(c)\ndef f():\n    pass\n", "all"],
  ["@a[0]\ndef f():\n    pass\n", "3.9+"],
  ["with (a() as b, c() as d):\n    pass\n", "3.9+"],
  ["x = f'{a['b']}'\n", "3.12+"],
  ["x = f'{a[\"b\"]}'\n", "3.6+"],
  ["if a:\n        b()\n    c()\n", "none"],
  ["class A:\n    @b\n    def c(self): pass\n", "all"],
];

const versions = ["2.4", "2.5", "2.6", "2.7", "3.6", "3.9", "3.11"] as const;
const numbers = (version: string) => version.split(".").map(Number) as unknown as PythonVersion;

function reads(which: string, version: string): boolean {
  if (which === "all" || which === "none") return which === "all";
  const [major, minor] = numbers(version);
  if (which === "2" || which === "3") return String(major) === which;
  const [wantMajor, wantMinor] = numbers(which.replace("+", ""));
  return major > wantMajor || (major === wantMajor && minor >= wantMinor);
}

const found = (text: string, version: string) =>
  withPython(text, (script) => [
    ...incompatibleSyntax(script, numbers(version)),
    ...compileFaults(script, numbers(version)),
  ]);

describe("syntax, by the version of Python that reads it", () => {
  it.each(pieces)("%j: %s", async (text, which) => {
    const takes = [];
    for (const version of versions) if ((await found(text, version)).length === 0) takes.push(version);
    expect(takes).toEqual(versions.filter((version) => reads(which, version)));
  });

  it("names the syntax, the required version and the line", async () => {
    expect(await found("a = 1\nb = f'{a}'\n", "2.7")).toEqual([
      { line: 2, text: "an f-string needs Python 3.6" },
    ]);
    expect(await found("print 'a'\n", "3.6")).toEqual([
      { line: 1, text: "the print statement was removed in Python 3" },
    ]);
  });
});

// The real Pythons of this machine. Python 2.4 and 2.5 are not available, so these rules rely on the documents.
const pythons = ["2.6", "2.7", "3.6", "3.9", "3.11"].flatMap((version) => {
  const paths = [
    `/usr/bin/python${version}`,
    ...(process.env.HOME ? pyenv(`${process.env.HOME}/.pyenv/versions`, version) : []),
  ];
  const path = paths.find((one) => existsSync(one));
  return path ? [[version, path] as const] : [];
});

function pyenv(folder: string, version: string): string[] {
  return Array.from({ length: 30 }, (_, patch) => `${folder}/${version}.${patch}/bin/python${version}`);
}

describe("the table agrees with the real Python", () => {
  it("is tested with at least one", () => {
    expect(pythons.length).toBeGreaterThan(0);
  });

  it.each(pythons)("%s (%s)", (version, path) => {
    const program = `import sys, json, tempfile, os
folder = tempfile.mkdtemp()
out, sys.stdout = sys.stdout, open(os.devnull, 'w')
path = os.path.join(folder, 'x.py')
def reads(text):
    # Python 2 looks for the encoding in files only.
    with open(path, 'wb') as f:
        f.write(text.encode('utf-8'))
    try:
        if sys.version_info[0] == 2:
            import imp
            sys.dont_write_bytecode = True
            imp.load_source('x', path)
        else:
            compile(text, path, 'exec')
    except SyntaxError:
        return False
    except Exception:
        return True
    return True
answers = [reads(text) for text in json.loads(sys.stdin.read())]
os.unlink(path)
os.rmdir(folder)
out.write(json.dumps(answers))
`;
    const { stdout, stderr } = spawnSync(path, ["-W", "ignore", "-c", program], {
      input: JSON.stringify(pieces.map(([text]) => text)),
      encoding: "utf8",
      timeout: 60_000,
    });
    const answers = JSON.parse(stdout || stderr) as boolean[];
    // Python 3 parses it as a shift of print, and fails when it runs.
    const known = (text: string, answer: boolean) =>
      answer && !(text.startsWith("print >>") && version >= "3");
    const table = pieces.map(([text, which]) => `${JSON.stringify(text)} ${reads(which, version)}`);
    expect(
      pieces.map(([text], index) => `${JSON.stringify(text)} ${known(text, answers[index] ?? false)}`),
    ).toEqual(table);
  });
});

// Each with the versions of 2.4, 2.6, 2.7, 3.6 and 3.9 that have it, by the notes of the Library Reference.
const uses: readonly (readonly [string, string])[] = [
  ["import json\n", "2.6 2.7 3.6 3.9"],
  ["a = b.partition('=')\n", "2.6 2.7 3.6 3.9"],
  ["if a.startswith(('b', 'c')):\n    pass\n", "2.6 2.7 3.6 3.9"],
  ["import subprocess\nsubprocess.Popen(a).terminate()\n", "2.6 2.7 3.6 3.9"],
  ["import os\nos.makedirs(a, exist_ok=True)\n", "3.6 3.9"],
  ["open(a, encoding='utf-8')\n", "3.6 3.9"],
  ["import subprocess\nsubprocess.run(a, capture_output=True)\n", "3.9"],
  ["import subprocess\nsubprocess.call(a, timeout=3)\n", "3.6 3.9"],
  ["a = b.removeprefix('c')\n", "3.9"],
  ["import shlex\nshlex.join(a)\n", "3.9"],
  ["import urllib\nurllib.urlopen(a)\n", "2.4 2.6 2.7"],
  ["file(a)\n", "2.4 2.6 2.7"],
  ["for file in a:\n    print(file)\n", "2.4 2.6 2.7 3.6 3.9"],
  ["try:\n    a()\nexcept A:\n    file = 1\n", "2.4 2.6 2.7 3.6 3.9"],
  ["import string\na = string.letters\n", "2.4 2.6 2.7"],
  ["import collections\ncollections.MutableMapping\n", "2.4 2.6 2.7 3.6 3.9"],
  ["import platform\nplatform.linux_distribution()\n", "2.6 2.7 3.6"],
  ["from urllib import quote\n", "2.4 2.6 2.7"],
  ["from urllib import parse\n", "3.6 3.9"],
  [
    "try:\n    from urllib import quote\nexcept ImportError:\n    from urllib.parse import quote\n",
    "2.4 2.6 2.7 3.6 3.9",
  ],
];

describe("the library, by the version of Python that has it", () => {
  it.each(uses)("%j: %s", async (text, which) => {
    const takes = [];
    for (const version of ["2.4", "2.6", "2.7", "3.6", "3.9"]) {
      const lacks = await withPython(text, (script) => missingFromLibrary(script, numbers(version)));
      if (lacks.length === 0) takes.push(version);
    }
    expect(takes.join(" ")).toBe(which);
  });

  const measured = pythons.filter(([version]) => ["2.7", "3.6", "3.9"].includes(version));

  it.each(measured)("the table of differences is that of the real %s (%s)", (version, path) => {
    const at = ["2.7", "3.6", "3.9"].indexOf(version);
    const said = Object.entries({ ...libraryDifferences.members }).flatMap(([word, names]) =>
      names
        .trim()
        .split(/\s+/)
        .map((name): [string, boolean] => [name, word[at] === "y"]),
    );
    const program = `import sys, json
for name, has in json.load(sys.stdin):
    module, member = name.rsplit('.', 1)
    if hasattr(__import__(module, fromlist=['x']), member) != has:
        print(name)
`;
    const { stdout, stderr } = spawnSync(path, ["-S", "-W", "ignore", "-c", program], {
      input: JSON.stringify(said),
      encoding: "utf8",
    });
    expect({ stdout, stderr }).toEqual({ stdout: "", stderr: "" });
  });
});
