import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { describeWith } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
let folder = "";
let image = "";

const script = `#!/usr/bin/python
### BEGIN PLUGIN INFO
# name: db
# configure: 91
# description: d
### END PLUGIN INFO
import json, os
from templateconfig.cli import main
def do_enumerate(target):
    return json.dumps([{'key': 'org.example.db.sid', 'description': 'The \\x1b[31mname', 'pattern': '[A-Z]{1,8}', 'required': True}])
def do_configure(param):
    open('/ran', 'w').close()
    return param
main(do_enumerate, {'configure': do_configure})
`;

async function message(...args: string[]) {
  const { exitCode, stdout, stderr } = await localHost().run(
    [process.execPath, main, "--home", join(folder, "home"), "message", ...args],
    { allow: [...Array(255).keys()] },
  );
  return { exitCode, stdout, stderr };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-message-"));
  image = join(folder, "System.img");
  const at = "etc/template.d/scripts";
  await extDisk(image, {
    files: { ...ol6Guest.files, [`/${at}/db`]: { data: script, mode: 0o755 } },
    links: { ...ol6Guest.links, "/etc/template.d/configure/91-db": "../scripts/db" },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeWith(["mke2fs"], "tbuild message of an image", () => {
  it("lists the parameters of the modules inside, without control characters", async () => {
    const { exitCode, stdout, stderr } = await message(image);
    expect({ exitCode, stdout, stderr }).toEqual({
      stderr: "",
      exitCode: 0,
      stdout: "org.example.db.sid  db  text  required  The \\x1b[31mname\n",
    });
  });

  it("checks values, and writes messages", async () => {
    const values = join(folder, "values.yaml");
    await writeFile(values, "org.example.db.sid: orcl\n");
    const refused = await message(image, "--values", values);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('"orcl" is not in the form that its module requires: [A-Z]{1,8}');
    await writeFile(values, "org.example.db.sid: ORCL\n");
    const written = await message(image, "--values", values, "--as", "stdin");
    expect(written).toMatchObject({ exitCode: 0, stdout: '{"org.example.db.sid":"ORCL"}\n' });
  });

  it("says that a file is missing or not an image", async () => {
    expect(await message(join(folder, "none.img"))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("there is no such file"),
    });
    await writeFile(join(folder, "text.img"), "no image\n");
    expect((await message(join(folder, "text.img"))).stderr).toContain("text.img: ");
  });
});
