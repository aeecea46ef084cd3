import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWith, itWith } from "./fakes/missing.ts";

const repository = resolve(import.meta.dirname, "..");
const oldPython = join(import.meta.dirname, "old-python.py");
const python = [...["src", "recipes", "test", ".ci"].flatMap(pythonBelow), "recipe-repo/buildbot/master.cfg"];

describe("the Python files", () => {
  it("are found, whether they end in .py or begin with #!", () => {
    expect(python).toEqual(
      expect.arrayContaining([
        "src/rehearsal/assets/tables.py",
        "src/firstboot/additions/sbin/ovmd",
        "test/firstboot/by-hand/answer/answer",
        "test/old-python.py",
      ]),
    );
  });

  itWith(["python3"], "compile", () => {
    const compile = "import sys\nfor p in sys.argv[1:]: compile(open(p, encoding='utf-8').read(), p, 'exec')";
    expect(run("python3", "-c", compile, ...python)).toEqual({ code: 0, said: "" });
  });

  itWith(["flake8"], "have no findings of flake8", () => {
    expect(run("flake8", ...python)).toEqual({ code: 0, said: "" });
  });
});

describeWith(["python3"], "first-boot modules, under the Python of OL5", () => {
  const modules = python.filter(
    (path) =>
      /^(?:recipes\/modules|src\/firstboot\/additions|test\/firstboot\/by-hand)\//.test(path) &&
      !/(?:layout|rpms)\.py$/.test(path),
  );
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tbuild-python-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("have no letters but those of ASCII, which Python 2 takes for an error", () => {
    for (const path of modules)
      expect(readFileSync(join(repository, path), "latin1"), path).toMatch(/^[\t\n -~]*$/);
  });

  it("use nothing that Python 2.4 cannot parse", () => {
    expect(modules).toContain("test/firstboot/by-hand/answer/answer");
    expect(run("python3", oldPython, ...modules)).toEqual({ code: 0, said: "" });
  });

  it.each([
    ["with open('x') as f: pass", "with"],
    ["try:\n    pass\nexcept OSError as e:\n    pass", "except ... as"],
    ["try:\n    pass\nexcept OSError:\n    pass\nfinally:\n    pass", "finally"],
    ["x = 1 if y else 2", "x if c else y"],
    ["x = {1, 2}", "set literal"],
    ["x = {k: 1 for k in y}", "dict comprehension"],
    ["x = f'{y}'", "f-string"],
    ["x = '{}'.format(y)", "str.format"],
    ["x = 0o644", "0o644"],
    ["x = b''", "b''"],
    ["def f(*, a): pass", "keyword-only"],
    ["def f(a: int): pass", "annotation"],
    ["raise OSError() from None", "raise ... from"],
    ["print('a', file=f)", "print()"],
    ["from . import a", "relative import"],
  ])("would be told of %j", (text, what) => {
    const file = join(folder, "module");
    writeFileSync(file, `x = 0x1b\n${text}\n`);
    const { code, said } = run("python3", oldPython, file);
    expect(code).toBe(1);
    expect(said).toMatch(/module:[2-5]: /);
    expect(said).toContain(what);
  });
});

function run(...argv: [string, ...string[]]) {
  const [command, ...args] = argv;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: repository, encoding: "utf8" });
  return { code: status, said: `${stdout}${stderr}` };
}

function pythonBelow(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
    .map((path) => join(repository, folder, path))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .filter((path) => path.endsWith(".py") || /^#!.*python/.test(readFileSync(path, "latin1").slice(0, 100)))
    .map((path) => relative(repository, path));
}
