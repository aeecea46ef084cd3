import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { makeTbuild, repository, type Tbuild } from "./tbuild.ts";

const isSlow = process.env.TBUILD_SLOW === "1";
const title = "the boot trial of a template with a module";

let folder: string;
let tbuild: Tbuild;

// One installation, and one trial for each way in which the module ends.
async function trial(how: string, ...checks: string[][]): Promise<{ code: number | null; stderr: string }> {
  await writeFile(
    join(folder, "recipes/ol6-trial.yaml"),
    `extends: ol6-base
name: ol6-trial
version: 1.0.0
summary: a module that ends as it is told
modules: [ending]
bundles: [qcow2]
trial:
  clones: 1
  messages: { org.tbuild.ending.how: ${how}, org.tbuild.ending.token: hush-hush-token }
  checks: ${JSON.stringify(checks)}
`,
  );
  return await tbuild.run("recipe", "ol6-trial", "--rehearse");
}

describe.runIf(isSlow)(isSlow ? title : `${title} (TBUILD_SLOW=1 runs it)`, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-trial-"));
    for (const name of ["recipes", "kickstart"])
      await cp(join(repository, name), join(folder, name), { recursive: true });
    const module = join(folder, "recipes/modules/ending");
    const program = join(module, "payload/opt/ending/run.sh");
    await mkdir(join(program, ".."), { recursive: true });
    await writeFile(
      join(module, "module.yaml"),
      `name: ending
description: Ends as it is told.
targets: { configure: 80 }
parameters:
  - { name: how, description: How it ends. }
  - { name: token, description: A token., password: true }
run: { program: /opt/ending/run.sh, timeout: 20 }
`,
    );
    await writeFile(
      program,
      `#!/bin/sh
for i in $(seq 1 30); do echo "line $i with $TOKEN"; done
case $HOW in
  fail) echo "the disk group DATA has no disks" >&2; exit 3 ;;
  hang) tail -f /dev/null ;;
esac
`,
    );
    await chmod(program, 0o755);
    tbuild = await makeTbuild("e2e-trial", join(folder, "recipes"));
  });
  afterAll(async () => {
    await tbuild.run("clean");
    await rm(tbuild.home, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => `  ending: line ${from + i} with ***\n`).join("");

  it("that fails shows the module's output, without its secret", async () => {
    const { code, stderr } = await trial("fail");
    expect(code, stderr).toBe(4);
    expect(stderr).toContain(
      "first-boot configuration failed: ending: exit code 3: the disk group DATA has no disks\n",
    );
    expect(stderr).toContain(`${lines(12, 30)}  ending: the disk group DATA has no disks\n`);
    expect(stderr).not.toContain("hush-hush-token");
    const machine = /log in: +tbuild console (\S+) --ssh/.exec(stderr)?.[1] ?? "";
    const login = (await tbuild.run("console", machine, "--ssh")).stdout.trim();
    const log = await localHost().run(["sh", "-c", `${login} cat /var/log/ovm-template-config.log`]);
    expect(log.stdout).toContain("configure: ending: | exit code 3: the disk group DATA has no disks");
    expect(log.stdout).toContain("configure: authentication: done");
  });

  it("that hangs ends at the module's deadline", async () => {
    const { code, stderr } = await trial("hang");
    expect(code, stderr).toBe(4);
    expect(stderr).toContain("ending: did not end within 20 seconds; its last line: line 30 with ***\n");
    expect(stderr).toContain(lines(11, 30));
  });

  it("that works is quiet at the second boot", async () => {
    const { code, stderr } = await trial("work", ["test", "-e", "/var/lib/tbuild/modules/ending"]);
    expect(code, stderr).toBe(0);
  });
});
