import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { additions } from "../../src/firstboot/additions.ts";
import { enumeratedInside } from "../../src/guest/enumerated-inside.ts";
import { openImageFile } from "../../src/image/open.ts";
import { describeWith } from "../fakes/missing.ts";
import { extDisk, type GuestFiles, ol6Guest } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const python = "/usr/bin/python3";
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-message-run-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function message(...args: string[]) {
  return host.run([process.execPath, main, "--home", join(folder, "home"), "message", ...args], {
    allow: [...Array(255).keys()],
  });
}

const module = (enumerate: string) => `#!${python}
### BEGIN PLUGIN INFO
# name: ask
# configure: 91
# description: d
### END PLUGIN INFO
import json, os, sys, time
from templateconfig.cli import main
def do_enumerate(target):
${enumerate.replaceAll(/^/gm, "    ")}
def do_configure(param):
    return param
main(do_enumerate, {'configure': do_configure})
`;

// What a module sees of its machine, as parameters.
const asking = `found = ['net.' + one for one in os.listdir('/sys/class/net')]
found += ['conf.' + one for one in sorted(os.listdir('/etc/acme'))]
for path in ('/ran', '/etc/acme/ran'):
    try:
        open(path, 'w').close()
        found.append('wrote')
    except EnvironmentError:
        found.append('read-only')
return json.dumps([{'key': 'org.example.ask.' + one, 'description': target} for one in sorted(set(found))])`;

async function guestOf(enumerate: string): Promise<GuestFiles> {
  const files: Record<string, GuestFiles["files"][string]> = {
    ...ol6Guest.files,
    "/etc/acme/one": "",
    "/etc/acme/two": "",
    "/etc/template.d/scripts/ask": { data: module(enumerate), mode: 0o755 },
  };
  for (const name of ["proc", "sys", "dev", "run", "tmp"]) files[`/${name}/.keep`] = "";
  const add = async (path: string, from = path) => {
    files[path] = { data: await readFile(from), mode: 0o755 };
  };
  for (const part of ["ovmdaemon", "templateconfig"])
    for (const name of await readdir(join(additions, part)))
      if (name.endsWith(".py"))
        await add(`/usr/lib/python-templateconfig/${part}/${name}`, join(additions, part, name));
  const program = await readFile(join(additions, "sbin/ovm-template-config"), "utf8");
  files["/usr/sbin/ovm-template-config"] = { data: program.replace(/^#!.*/, `#!${python}`), mode: 0o755 };
  for (const path of await pythonFiles()) await add(path);
  return { files, links: { ...ol6Guest.links, "/etc/template.d/configure/91-ask": "../scripts/ask" } };
}

/** This machine's Python: its program and libraries, and all of the standard library that is not a test. */
async function pythonFiles(): Promise<string[]> {
  const { stdout } = await host.run([python, "-c", "import os; print(os.path.dirname(os.__file__))"]);
  const library = stdout.trim();
  const found = (await readdir(library, { recursive: true }))
    .filter(
      (name) => /\.(?:py|so)$/.test(name) && !/^(?:test|idlelib|lib2to3|turtle|pydoc_data)\b/.test(name),
    )
    .map((name) => join(library, name));
  const needed = new Set<string>();
  for (const path of [python, ...found.filter((name) => name.endsWith(".so"))]) {
    const { stdout: needs } = await host.run(["ldd", path], { allow: [1] });
    for (const [, one = ""] of needs.matchAll(/(\/\S+) \(0x/g)) needed.add(one);
  }
  return [python, ...found, ...needed];
}

async function imageOf(name: string, guest: GuestFiles): Promise<string> {
  const image = join(folder, name);
  await extDisk(image, guest, { mebibytes: 120 });
  return image;
}

describeWith(["linux.uml", "mke2fs", python], "tbuild message --run", () => {
  it("asks the modules that compute their parameters, and changes nothing", async () => {
    const image = await imageOf("System.img", await guestOf(asking));
    const before = await sha256Of(image);
    const read = await message("--json", image);
    expect(read.stderr).toMatch(/warning: parameters of the module ask: line 11 /);
    expect(read.stderr).toContain("With --run, tbuild runs the modules and asks them.");
    const ran = await message("--json", "--run", image);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(ran.stdout).map(({ key, module }: Record<string, string>) => [key, module])).toEqual(
      ["conf.one", "conf.two", "net.lo", "read-only"].map((one) => [`org.example.ask.${one}`, "ask"]),
    );
    expect(await sha256Of(image)).toBe(before);
  });

  it("ends with the module's own words if it fails", async () => {
    const image = await imageOf("fails.img", await guestOf("raise ValueError('no disk is there')"));
    const ran = await message("--run", image);
    expect(ran.exitCode).toBe(4);
    expect(ran.stderr).toMatch(/ended with exit code 1[\s\S]*ValueError: no disk is there/);
  });

  it.each([
    ["does not end", "time.sleep(600)", 3, /did not end within 3 seconds/],
    ["returns too deep a list", "return '[' * 50000", 100, /ended with exit code/],
  ])("stops a module that %s", async (name, enumerate, seconds, words) => {
    const image = await imageOf(`${name.replaceAll(" ", "-")}.img`, await guestOf(enumerate));
    await using opened = await openImageFile(host, image, { readOnly: true, programs: {} });
    const { programs } = opened.tree;
    if (!programs) throw new Error("opened without programs");
    const limits = { seconds, bytes: 100_000 };
    await expect(enumeratedInside(programs, { limits })).rejects.toMatchObject({
      fault: "guest",
      message: expect.stringMatching(words),
    });
  });

  it("stops additions that print without end", async () => {
    const guest = await guestOf(asking);
    const data = `#!${python}\nwhile True: print("x" * 4096)\n`;
    const image = await imageOf("prints.img", {
      ...guest,
      files: { ...guest.files, "/usr/sbin/ovm-template-config": { data, mode: 0o755 } },
    });
    const ran = await message("--run", image);
    expect(ran).toMatchObject({ exitCode: 4, stderr: expect.stringMatching(/printed more than 1\.0 MiB/) });
  });

  it("refuses what has no programs to run", async () => {
    const image = await imageOf("bare.img", ol6Guest);
    expect(await message("--run", image)).toMatchObject({
      exitCode: 4,
      stderr: expect.stringMatching(
        /ovm-template-config --enumerate configure: is missing in the guest, or its interpreter is/,
      ),
    });
    expect(await message("--run", "ol6-grid")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/--run is for an image/),
    });
    expect(await message("--run", "server:/OVS/System.img")).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/copy the image here/),
    });
  });
});
