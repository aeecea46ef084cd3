import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "../../src/cli/run.ts";

let folder: string;
let out = "";
let err = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-var-file-"));
  out = "";
  err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

async function shownWith(files: Readonly<Record<string, string>>, ...more: string[]): Promise<number> {
  const given: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
    given.push("--var-file", join(folder, name));
  }
  return await run(["recipe", "show", "ol6-grid", "--resolved", "--home", folder, ...given, ...more]);
}

describe("--var-file", () => {
  it("overrides values, nested or by their paths; a later file wins, and --set over all", async () => {
    const first = "machine:\n  memory: 3G\n  vcpus: 3\npackages.install+: [strace]\n";
    expect(
      await shownWith({ "a.yaml": first, "b.yaml": "machine.memory: 4G\n" }, "--set", "machine.vcpus=5"),
    ).toBe(0);
    expect(out).toMatch(/memory: 4G +# \S*b\.yaml:1/);
    expect(out).toMatch(/vcpus: 5 +# --set machine\.vcpus/);
    expect(out).toMatch(/- strace +# \S*a\.yaml:4/);
  });

  it("is refused with the line of a wrong value, or if the file is missing or invalid", async () => {
    expect(await shownWith({ "a.yaml": "machine:\n  memroy: 3G\n" })).toBe(2);
    expect(err).toMatch(/a\.yaml:2:\d+: machine\.memroy: no such key; did you mean "memory"\?/);
    expect(await shownWith({ "b.yaml": "- a\n" })).toBe(2);
    expect(err).toMatch(/b\.yaml: not a file of recipe values/);
    expect(await shownWith({}, "--var-file", join(folder, "nosuch"))).toBe(2);
    expect(err).toMatch(/nosuch: cannot be read: there is no such file/);
  });
});
