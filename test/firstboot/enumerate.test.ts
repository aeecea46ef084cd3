import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { enumerate } from "../../src/firstboot/enumerate.ts";

const root = resolve(import.meta.dirname, "../..");
const shipped = join(root, "src/firstboot/additions/scripts");

// The answer of a module's own Python, with a templateconfig that prints the result of do_enumerate.
const library = mkdtempSync(join(tmpdir(), "templateconfig-"));
beforeAll(() => {
  mkdirSync(join(library, "templateconfig"));
  writeFileSync(join(library, "templateconfig/__init__.py"), "");
  writeFileSync(
    join(library, "templateconfig/cli.py"),
    "import os\ndef main(enumerator, actions):\n    print(enumerator(os.environ['TARGET']))\n",
  );
  for (const name of ["common", "accounts", "interfaces"])
    writeFileSync(
      join(library, `templateconfig/${name}.py`),
      "def run_cmd(*a): pass\ndef __getattr__(name): return run_cmd\n",
    );
});
afterAll(() => rmSync(library, { recursive: true }));

function byPython(script: string, target: string): unknown {
  const file = join(library, "module.py");
  writeFileSync(file, script);
  const { stdout, stderr, status } = spawnSync("python3", [file], {
    env: { PATH: process.env.PATH, PYTHONPATH: library, TARGET: target },
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}

const head =
  "import json\nimport os\nfrom templateconfig.cli import main\nfrom templateconfig.common import run_cmd\n";
const tail =
  "\ndef do_configure(param):\n    return param\n\nif __name__ == '__main__':\n    main(do_enumerate, {'configure': do_configure})\n";
const module = (body: string, before = "") =>
  `${head}${before}\ndef do_enumerate(target):\n${body.replace(/^/gm, "    ")}\n${tail}`;

const samples: Readonly<Record<string, string>> = {
  "a literal list": module("return json.dumps([{'key': 'a.b', 'hidden': True, 'required': False}])"),
  "param += by target": module(
    "param = []\nif target == 'configure':\n    param += [{u'key': u'a'}]\n    param += []\nelse:\n    param += [{'key': 'other'}]\nreturn json.dumps(param)",
  ),
  "a loop over a constant": module(
    "param = []\nfor name, text in NAMES:\n    param.append({'key': PREFIX + name, 'description': text})\nreturn json.dumps(param)",
    "PREFIX = 'x.'\nNAMES = (('a', 'A'), ('b', 'B'))\n",
  ),
  comprehensions: module(
    "return json.dumps([{'key': '%s.%d' % (name, i)} for name in ('a', 'b') for i in range(3) if i != 1])",
  ),
  "format and join": module(
    "return json.dumps([{'key': '.'.join(['a', 'b'])}, {'key': '{0}-{x}'.format('a', x=1)}])",
  ),
  "helper functions": module(
    "return json.dumps(make('a') + make('b', True))",
    "def make(name, password=False):\n    one = {'key': 'x.' + name}\n    if password:\n        one['password'] = True\n    return [one]\n",
  ),
  "a dict by update and dict()": module(
    "one = dict(key='a', hidden=True)\none.update({'description': 'd'})\ntwo = one.copy()\ntwo['key'] = 'b'\nreturn json.dumps([one, two])",
  ),
  "a table by target": module(
    "return json.dumps(TABLE.get(target, []))",
    "TABLE = {'configure': [{'key': 'a'}], 'cleanup': [{'key': 'b'}]}\n",
  ),
  "escapes, long strings and neighbours": module(
    "return json.dumps([{'key': 'a', 'description': '''two\nlines''' 'it\\'s \\x41\\n' \"q\"}])",
  ),
  "while with an end": module(
    "param = []\ni = 0\nwhile i < 3:\n    param.append({'key': 'k%d' % i})\n    i += 1\nreturn json.dumps(param)",
  ),
  "break, continue and else": module(
    "param = []\nfor i in range(10):\n    if i == 1:\n        continue\n    if i > 3:\n        break\n    param.append({'key': str(i)})\nreturn json.dumps(param)",
  ),
  "aliases of a list": module("a = []\nb = a\nb += [{'key': 'x'}]\nreturn json.dumps(a)"),
  "f-strings": module("name = 'n'\nreturn json.dumps([{'key': f'a.{name}.{{b}}'}])"),
  "try and finally": module(
    "param = []\ntry:\n    param = [{'key': 'a'}]\nexcept ValueError:\n    param = []\nfinally:\n    param.append({'key': 'b'})\nreturn json.dumps(param)",
  ),
  "items of a dict": module(
    "return json.dumps([{'key': k, 'description': v} for k, v in sorted(D.items()) if True] or [])".replace(
      "sorted(D.items())",
      "D.items()",
    ),
    "D = {'a': '1', 'b': '2'}\n",
  ),
  "enumerate and zip": module(
    "param = []\nfor i, (a, b) in enumerate(zip(['x', 'y'], ['1', '2'])):\n    param.append({'key': '%s%s%d' % (a, b, i)})\nreturn json.dumps(param)",
  ),
  "an argument list": module(
    "return json.dumps(make('x', 'a', 'b', hidden=True))",
    "def make(prefix, *names, **more):\n    return [dict(key='%s.%s' % (prefix, n), **{}) for n in names] if False else [dict([('key', '%s.%s' % (prefix, n))] + list(more.items())) for n in names]\n",
  ),
  "a global that a function sets": module(
    "fill()\nreturn json.dumps(PARAMS)",
    "PARAMS = []\ndef fill():\n    global PARAMS\n    PARAMS = PARAMS + [{'key': 'a'}]\n",
  ),
  "the else of a loop": module(
    "param = []\nfor i in range(2):\n    param.append({'key': str(i)})\nelse:\n    param.append({'key': 'last'})\nreturn json.dumps(param)",
  ),
  "a condition of the machine that has nothing to do with them": module(
    "if os.path.exists('/nosuch'):\n    note = 'x'\nreturn json.dumps([{'key': 'a'}])",
    "if os.path.exists('/nosuch'):\n    text = str\n",
  ),
  "widths and percent signs": module(
    "return json.dumps([{'key': 'a%02d' % 3, 'description': '100 %% of %-4s|' % 'x'}])",
  ),
  "a conditional and a slice of logic": module(
    "return json.dumps([{'key': 'a' if target in ('configure', 'reconfigure') else 'b', 'hidden': not False and 1 < 2}])",
  ),
};

describe("the parameters of a module, read without running it, match its Python's answer", () => {
  for (const name of readdirSync(shipped))
    it.each(["configure", "cleanup"])(`${name} of the additions at %s`, async (target) => {
      const script = readFileSync(join(shipped, name), "utf8");
      const { parameters, doubts } = await enumerate(script, target);
      expect(doubts).toEqual([]);
      expect(parameters).toEqual(byPython(script, target));
    });

  it("a module written by hand", async () => {
    const script = readFileSync(join(root, "test/firstboot/by-hand/answer/answer"), "utf8");
    const { parameters, doubts } = await enumerate(script, "configure");
    expect(doubts).toEqual([]);
    expect(parameters).toEqual(byPython(script, "configure"));
    expect(parameters.length).toBe(2);
  });

  it.each(Object.entries(samples))("%s", async (_name, script) => {
    const { parameters, doubts } = await enumerate(script, "configure");
    expect(doubts).toEqual([]);
    expect(parameters).toEqual(byPython(script, "configure"));
  });
});

describe("what a module computes at run time is named with its line", () => {
  it.each([
    ["a list that a program prints", "return json.dumps(os.popen('ls').read())", /calls os.popen/, 0],
    ["one key of two", "return json.dumps([{'key': 'a'}, {'key': os.environ['X']}])", /reads os.environ/, 1],
    [
      "what depends on the machine",
      "param = [{'key': 'a'}]\nif os.path.exists('/x'):\n    param += [{'key': 'b'}]\nreturn json.dumps(param)",
      /depends on os.path.exists/,
      1,
    ],
    [
      "a loop over the machine",
      "param = []\nfor d in os.listdir('/sys/class/net'):\n    param.append({'key': d})\nreturn json.dumps(param)",
      /loops over os.listdir/,
      0,
    ],
    [
      "a list that is shortened",
      "param = [{'key': 'a'}]\nparam.pop()\nreturn json.dumps(param)",
      /calls param.pop\(\)/,
      1,
    ],
    [
      "a list without its first",
      "param = [{'key': 'a'}]\ndel param[0]\nreturn json.dumps(param)",
      /has del param/,
      1,
    ],
    [
      "a list that a library gets",
      "import random\nparam = [{'key': 'a'}]\nrandom.shuffle(param)\nreturn json.dumps(param)",
      /calls random.shuffle\(\)/,
      1,
    ],
    [
      "a form of numbers that is not modelled",
      "return json.dumps([{'key': 'a%5.2f' % 1}])",
      /computes with %/,
      0,
    ],
    [
      "another list where the machine has something",
      "if os.path.exists('/x'):\n    return json.dumps([])\nreturn json.dumps([{'key': 'a'}])",
      /depends on os.path.exists/,
      1,
    ],
    [
      "a list by another name",
      "param = [{'key': 'a'}]\nsame = param\nif os.path.exists('/x'):\n    same.append({'key': 'b'})\nreturn json.dumps(param)",
      /depends on os.path.exists/,
      1,
    ],
    ["an exception", "raise SystemExit('x')", /raises/, 0],
    ["no list", "return json.dumps({'key': 'a'})", /does not return a list/, 0],
    ["nothing at all", "pass", /does not return a list/, 0],
    ["what never ends", "while True:\n    pass\nreturn json.dumps([])", /does not end/, 0],
    ["itself again and again", "return do_enumerate(target)", /does not end|nested too deep/, 0],
  ])("%s", async (_name, body, reason, known) => {
    const { parameters, doubts } = await enumerate(module(body), "configure");
    expect(doubts.map((one) => one.reason).join("\n")).toMatch(reason);
    expect(doubts.every(({ line }) => line > 0)).toBe(true);
    expect(parameters.length).toBe(known);
  });

  it("a list that the top of the program makes by the machine", async () => {
    const script = module(
      "return json.dumps(PARAMS)",
      "PARAMS = [{'key': 'a'}]\nif os.path.exists('/x'):\n    PARAMS.append({'key': 'b'})\n",
    );
    const { parameters, doubts } = await enumerate(script, "configure");
    expect(parameters).toEqual([{ key: "a" }]);
    expect(doubts).toMatchObject([{ reason: "depends on os.path.exists('/x')", line: 6 }]);
  });

  it("a program without a call of main", async () => {
    expect((await enumerate("x = 1\n", "configure")).doubts).toMatchObject(
      [{ reason: /main/ }].map(() => ({})),
    );
  });

  it("of a script made to delay it are found immediately", async () => {
    for (const piece of ["{", "{'key':", "((((", "a = 'b", "[[", "f(", "if x:\n ", "x = not ", "lambda: "])
      await enumerate(piece.repeat(100_000 / piece.length), "configure");
    const grows = `x = ['a']\n${"x = x + x\n".repeat(60)}`;
    await enumerate(grows, "configure");
    await enumerate(`x = 'a'\n${"x = x + x\n".repeat(60)}`, "configure");
    await enumerate("x = []\nfor i in range(4000):\n    x.append([1] * 4000)\n", "configure");
    await enumerate("x = [[1] * 4000 for i in range(4000)]\n", "configure");
  });
});
