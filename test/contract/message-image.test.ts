import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { additions } from "../../src/firstboot/additions.ts";
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

const head = (name: string) => `#!/usr/bin/python
### BEGIN PLUGIN INFO
# name: ${name}
# configure: 80
# description: d
### END PLUGIN INFO
try:
    import json
except ImportError:
    import simplejson as json
import os
from templateconfig.cli import main
def do_configure(param):
    return param
`;
// As the public modules for Oracle's templates are written, a class, and one that asks the machine.
const styles: Readonly<Record<string, string>> = {
  satellite: `def do_enumerate(target):
    param = []
    if target == 'configure':
        for name, text, required in (('server', 'Server', True), ('org', 'Organization', False)):
            param += [{u'key': u'com.example.satellite.' + name, u'description': text, u'required': required}]
        param += [{u'key': u'com.example.satellite.password', u'description': u'Password', u'password': True}]
    return json.dumps(param)
main(do_enumerate, {'configure': do_configure})
`,
  classy: `class Base(object):
    space = 'org.example.classy'
    def key(self, name):
        return '%s.%s' % (self.space, name)
class Plugin(Base):
    def __init__(self, more):
        self.names = ['a'] + list(more)
    def enumerate(self, target):
        found = [{'key': self.key(name), 'description': name.upper()} for name in self.names]
        return json.dumps({'configure': found}.get(target, []))
    def configure(self, param):
        return param
plugin = Plugin(['b'])
main(plugin.enumerate, {'configure': plugin.configure})
`,
  runtime: `def do_enumerate(target):
    param = [{'key': 'org.example.runtime.fixed'}]
    for name in os.listdir('/sys/class/net'):
        param.append({'key': 'org.example.runtime.' + name})
    return json.dumps(param)
main(do_enumerate, {'configure': do_configure})
`,
};

describeWith(["mke2fs"], "tbuild message of an image with modules of many styles", () => {
  let other = "";
  const keys: string[] = [];
  beforeAll(async () => {
    other = join(folder, "Many.img");
    const own = join(additions, "scripts");
    const scripts: Record<string, string> = {};
    for (const name of await readdir(own)) scripts[name] = await readFile(join(own, name), "utf8");
    for (const [name, text] of Object.entries(styles)) scripts[name] = `${head(name)}${text}`;
    await extDisk(other, {
      files: {
        ...ol6Guest.files,
        ...Object.fromEntries(
          Object.entries(scripts).map(([name, data]) => [
            `/etc/template.d/scripts/${name}`,
            { data, mode: 0o755 },
          ]),
        ),
      },
      links: {
        ...ol6Guest.links,
        ...Object.fromEntries(
          Object.keys(scripts).map((name, index) => [
            `/etc/template.d/configure/${20 + index}-${name}`,
            `../scripts/${name}`,
          ]),
        ),
      },
    });
    // What the modules themselves print, under the Python of this machine.
    for (const name of Object.keys(scripts)) {
      const { stdout } = await localHost().run(["/usr/bin/python3", "-", "--enumerate", "configure"], {
        input: Buffer.from(scripts[name] ?? ""),
        env: { PYTHONPATH: additions },
      });
      if (name !== "runtime") keys.push(...JSON.parse(stdout).map(({ key }: { key: string }) => key));
    }
  });

  it("lists every parameter that the modules themselves enumerate, and names the module that asks the machine", async () => {
    const { exitCode, stdout, stderr } = await message(other);
    const listed = stdout.split("\n").map((line) => line.split(/\s+/)[0]);
    expect(exitCode).toBe(0);
    expect(keys.length).toBeGreaterThan(30);
    expect(listed).toEqual(expect.arrayContaining([...keys, "org.example.runtime.fixed"]));
    expect(stderr).toMatch(/runtime.*os\.listdir/s);
    expect(stderr).not.toMatch(/classy|satellite|network/);
  });

  it("writes them as a form and as a JSON Schema", async () => {
    const [form, schema] = [await message(other, "--form"), await message(other, "--schema")];
    const { properties, patternProperties } = JSON.parse(schema.stdout);
    const forms = Object.keys(patternProperties ?? {}).map((pattern) => new RegExp(pattern));
    for (const key of keys) {
      expect(form.stdout).toContain(key);
      expect(key in properties || forms.some((pattern) => pattern.test(key)), key).toBe(true);
    }
  });
});
