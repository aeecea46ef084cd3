import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseContract } from "../../src/firstboot/contract.ts";
import { injectModule } from "../../src/firstboot/inject.ts";
import { readModule } from "../../src/firstboot/module.ts";
import { parseHeader } from "../../src/firstboot/module-header.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { readPassport, writePassport } from "../../src/guest/passport.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const script = `#!/usr/bin/env python
### BEGIN PLUGIN INFO
# name: grid
# configure: 91
# cleanup: 20
# description: Installs Grid Infrastructure
#  and configures ASM.
### END PLUGIN INFO
`;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-module-"));
  await mkdir(join(folder, "grid/payload/opt/tbuild/grid"), { recursive: true });
  await writeFile(join(folder, "grid/grid"), script);
  await writeFile(join(folder, "grid/payload/opt/tbuild/grid/grid.sh"), "#!/bin/sh\n");
  await chmod(join(folder, "grid/payload/opt/tbuild/grid/grid.sh"), 0o755);
});
afterAll(() => rm(folder, { recursive: true }));

describe("a module", () => {
  it("is read with its header, its payload and a digest of both", async () => {
    const module = await readModule(join(folder, "grid"));
    expect(module).toMatchObject({
      name: "grid",
      description: "Installs Grid Infrastructure and configures ASM.",
      priorities: { configure: 91, cleanup: 20 },
      payload: [{ path: "/opt/tbuild/grid/grid.sh", mode: 0o755 }],
    });
    expect(module.digest).toMatch(/^sha256:[\da-f]{64}$/);
    expect((await readModule(join(folder, "grid"))).digest).toBe(module.digest);
  });

  it("reports all its faults together, with lines", () => {
    const { problems } = parseHeader(
      "print 1\n### BEGIN PLUGIN INFO\n# name: 1x\n# configure: high\n# boot: 3\nx\n### END PLUGIN INFO\n",
    );
    expect(problems.map(({ line }) => line)).toEqual([1, 4, 5, 6, 3, 2]);
  });

  it.each([
    ["configure.d", "90authentication"],
    ["configure", "S90-authentication"],
  ])("is enabled like the existing modules: %s/%s", async (dir, link) => {
    const module = await readModule(join(folder, "grid"));
    const tree = memoryTree(
      { "/etc/oracle-release": "Oracle Linux Server release 6.10\n" },
      { links: { [`/etc/template.d/${dir}/${link}`]: "../scripts/authentication" } },
    );
    const operation = injectModule(module);
    expect(await operation.pending(tree)).not.toEqual([]);
    await applyAll(tree, [operation]);
    expect(await tree.list(`/etc/template.d/${dir}`)).toContain(
      link.replace("90", "91").replace("authentication", "grid"),
    );
    expect(await tree.stat("/etc/template.d/scripts/grid")).toMatchObject({ mode: 0o755 });
    expect(await tree.stat("/opt/tbuild/grid/grid.sh")).toMatchObject({ mode: 0o755 });
  });
});

describe("a module written by hand, on a release without a program python", () => {
  const files = { "/etc/oracle-release": "Oracle Linux Server release 8.10\n" };
  const injected = async (more: Record<string, string>) => {
    const tree = memoryTree({ ...files, ...more });
    await applyAll(tree, [injectModule(await readModule(join(folder, "grid")))]);
    return (await tree.text("/etc/template.d/scripts/grid"))?.split("\n")[0];
  };

  it("is started by the existing Python", async () => {
    expect(await injected({})).toBe("#!/usr/libexec/platform-python");
    expect(await injected({ "/usr/bin/python": "" })).toBe("#!/usr/bin/env python");
  });
});

describe("the contract", () => {
  const python = `[('30', 'selinux', [{u'description': u'SELinux mode: "enforcing".', u'hidden': True, u'key': u'com.oracle.linux.selinux.mode'}]),
 ('90', 'authentication', [{u'description': u'Root\\'s password', u'key': u'com.oracle.linux.root-password', u'password': True, u'required': True}])]`;
  const json = `[["90","authentication",[{"key":"com.oracle.linux.root-password","password":true}]],["91","grid",[{"key":"g","description":"G"}]]]`;

  it("is read as Python prints it", () => {
    expect(parseContract(python)).toEqual([
      {
        key: "com.oracle.linux.selinux.mode",
        description: 'SELinux mode: "enforcing".',
        module: "selinux",
        required: false,
        hidden: true,
        password: false,
      },
      {
        key: "com.oracle.linux.root-password",
        description: "Root's password",
        module: "authentication",
        required: true,
        hidden: false,
        password: true,
      },
    ]);
  });

  it("is read as JSON, the root password last", () => {
    expect(parseContract(json).map(({ key }) => key)).toEqual(["g", "com.oracle.linux.root-password"]);
  });

  it("is refused when it is neither", () => {
    expect(() => parseContract("Traceback: x")).toThrow("cannot be read");
    expect(() => parseContract("[".repeat(200_000))).toThrow("cannot be read");
    expect(() => parseContract("[constructor]")).toThrow("cannot be read");
  });
});

describe("the passport", () => {
  it("is written, and read again", async () => {
    const passport = {
      name: "ol6-grid",
      version: "1.0.0",
      id: "6f0a",
      build: "ol6-grid-7f3a",
      recipe: "sha256:0",
      made: "2026-11-23T21:00:00Z",
      rehearsal: true,
    };
    const tree = memoryTree();
    await applyAll(tree, [writePassport(passport)]);
    expect(await readPassport(tree)).toEqual(passport);
  });
});
