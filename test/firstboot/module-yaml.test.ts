import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { adoptModule } from "../../src/firstboot/adopt.ts";
import { afterBootFiles } from "../../src/firstboot/after-boot.ts";
import { checkModules } from "../../src/firstboot/check/index.ts";
import { injectModule } from "../../src/firstboot/inject.ts";
import { readModule } from "../../src/firstboot/module.ts";
import { keyOf, ModuleYaml } from "../../src/firstboot/module-yaml.ts";
import { writeNewModule } from "../../src/firstboot/new-module.ts";
import { buildModuleRpm } from "../../src/firstboot/package.ts";
import { wrapperOf } from "../../src/firstboot/wrapper.ts";
import { releases } from "../../src/guest/release.ts";
import { localHost } from "../../src/host/local.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, pythons, rootNeeds } from "./additions-root.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-module-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const sample = `name: sample
description: Writes what it was given; for Größe it's fine.
targets: { configure: 80, reconfigure: 80, cleanup: 20 }
parameters:
  - { name: size, description: "How large, e.g. 'big' or \\\\ or ünicode.", required: true, choices: [big, small] }
  - { name: api-token, description: A token., password: true }
  - { name: address, description: An address., type: address, index: true }
  - { name: mode, description: The mode., default: quick }
run: { program: /opt/sample/run.sh, timeout: 3 }
`;
const program = `#!/bin/sh
echo "target=$1 SIZE=$SIZE MODE=$MODE TOKEN=$API_TOKEN A0=$ADDRESS_0 A3=$ADDRESS_3 args=$#"
tr '\\0' ' ' < /proc/$$/cmdline
echo
case $SIZE in
  small) echo "cannot do small, token $API_TOKEN" >&2; exit 7 ;;
  hang) sleep 100 & while kill -0 $$; do sleep 1; done ;;
esac
`;

// The program prints its token, so that a test sees the wrapper hide it.
const isUnexpected = ({ text }: { readonly text: string }) =>
  !text.startsWith("shows $API_TOKEN: echo prints it");

async function folder(
  yaml: string,
  files: Readonly<Record<string, string>> = { "/opt/sample/run.sh": program },
  name = "sample",
): Promise<string> {
  const at = join(await mkdtemp(join(root, "m-")), name);
  await mkdir(at);
  await writeFile(join(at, "module.yaml"), yaml);
  for (const [path, text] of Object.entries(files)) {
    const file = join(at, path.startsWith("/") ? `payload${path}` : path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    if (text.startsWith("#!")) await chmod(file, 0o755);
  }
  return at;
}

const everywhere = Object.entries(releases).map(([major, { python }]) => ({ name: `ol${major}`, python }));

describe("a module.yaml", () => {
  it("makes a program without findings for the Python of every release", async () => {
    const { reports, findings } = await checkModules([await folder(sample)], everywhere);
    expect(findings.filter(isUnexpected)).toEqual([]);
    expect(reports[0]?.runsOn).toEqual(["ol5", "ol6", "ol7", "ol8", "ol9"]);
    expect(reports[0]?.keys).toEqual([
      "org.tbuild.sample.size",
      "org.tbuild.sample.api-token",
      "org.tbuild.sample.address.0",
      "org.tbuild.sample.mode",
    ]);
  });

  it("names the Python of the guest's release, and keeps modes and owners", async () => {
    const module = await readModule(
      await folder(`${sample}files: { /opt/sample/key: { mode: "0600", owner: "54321:54322" } }\n`, {
        "/opt/sample/run.sh": program,
        "/opt/sample/key": "x",
      }),
    );
    for (const [release, python] of [
      ["Oracle Linux Server release 6.10", "#!/usr/bin/env python\n"],
      ["Oracle Linux Server release 8.9", "#!/usr/libexec/platform-python\n"],
    ]) {
      const tree = memoryTree({ "/etc/oracle-release": `${release}\n` });
      await injectModule(module).apply(tree);
      expect(await tree.text("/etc/template.d/scripts/sample")).toContain(python);
      expect(await tree.stat("/opt/sample/key")).toMatchObject({ mode: 0o600, uid: 54321, gid: 54322 });
      expect(await injectModule(module).pending(tree)).toEqual([]);
    }
  });

  it.each([
    ["name: other", /1: the name "other" is not that of the folder/],
    ["name: Sample", /1: name: "Sample" is not a name of lower-case/],
    ["targets: { configure: 100 }", /3: targets.configure/],
    ["targets: { configures: 80 }", /3: targets/],
    ["targets: {}", /3: targets: needs at least one target/],
    ["run: { program: run.sh }", /run.program: "run.sh" is not an absolute path/],
    ["run: { program: /opt/sample/nosuch.sh }", /payload\/opt\/sample\/nosuch.sh does not exist/],
    ["run: { program: /opt/sample/run.sh, timeout: 0 }", /run.timeout/],
    ["run: { program: /opt/sample/run.sh, interpreter: tcl }", /run.interpreter: "tcl"/],
    ["needs: [netwrk]", /needs.0: "netwrk" is not an allowed value.*network/],
    ["needs: [mounts]", /needs.0: mounts are not available at configure/],
    ["namespace: oracle", /namespace: "oracle" is not a name space/],
    ["namespace: com.oracle.linux.network", /is in the name space of Oracle's module network/],
    ["parameters: [{ name: a b, description: x }]", /parameters.0.name: "a b" is not/],
    ["parameters: [{ name: a }]", /parameters.0.description: is missing/],
    [
      "parameters: [{ name: a, description: x }, { name: a, description: x }]",
      /parameters.1.name: a is defined twice/,
    ],
    ["parameters: [{ name: path, description: x }]", /PATH has a meaning for all programs/],
    ["parameters: [{ name: a, description: x, pattern: '(' }]", /pattern: is not a regular expression/],
    ["parameters: [{ name: a, description: x, choices: [b], default: c }]", /"c" is not one of the choices/],
    ["parameters: [{ name: a, description: x, choices: [b, b] }]", /choices: has a choice twice/],
    [
      "parameters: [{ name: a, description: x, password: true, choices: [b] }]",
      /secret must not have choices/,
    ],
    [
      "parameters: [{ name: a, description: x, type: number, default: b }]",
      /default: "b" is not a whole number/,
    ],
    [
      "parameters: [{ name: a, description: x, pattern: '\\d', choices: [b] }]",
      /choices: "b" is not in the form/,
    ],
    ["parameters: [{ name: uid, description: x }]", /the variable UID has a meaning for all programs/],
    ["packages: ['ksh 2']", /"ksh 2" is not the name of a package/],
    [
      "parameters: [{ name: a, description: x, password: true, default: c }]",
      /a secret must not have a default/,
    ],
    ["parameters: [{ name: a, description: x, typ: text }]", /no such key; did you mean "type"/],
    ["files: { /opt/nosuch: { mode: '0600' } }", /payload\/opt\/nosuch does not exist/],
    ["files: { /opt/sample/run.sh: { mode: rw } }", /mode: "rw" is not an octal mode/],
    ["nosuch: 1", /nosuch: no such key/],
  ])("with %s is refused, with its line", async (line, words) => {
    const key = line.slice(0, line.indexOf(":"));
    const lines = sample.split("\n");
    const at = lines.findIndex((one) => one.startsWith(`${key}:`));
    if (at < 0) lines.push(line);
    else {
      let end = at + 1;
      while (/^ /.test(lines[end] ?? "")) end++;
      lines.splice(at, end - at, line);
    }
    const { findings } = await checkModules([await folder(lines.join("\n"))], everywhere, false);
    const said = findings.map((one) => `${one.line}: ${one.text}`).join("\n");
    expect(said).toMatch(words);
  });

  it("must run after the network if its program needs it", async () => {
    const early = `${sample.replace("configure: 80", "configure: 45")}needs: [network]\n`;
    const { findings } = await checkModules([await folder(early)], everywhere);
    expect(findings.filter(isUnexpected).map(({ line, text }) => `${line}: ${text}`)).toEqual([
      "3: targets.configure: 45 is before the network: Oracle's module network has 50",
    ]);
  });

  it("beside a script, or with a program that is not executable, is refused", async () => {
    const { findings } = await checkModules(
      [await folder(sample, { sample: "#!/usr/bin/python\n", "/opt/sample/run.sh": "echo\n" })],
      everywhere,
      false,
    );
    expect(findings.map(({ text }) => text).join("\n")).toMatch(
      /also a script "sample"[\s\S]*not executable/,
    );
  });
});

describeWith(rootNeeds, "the program made from a module.yaml", () => {
  const yaml = ModuleYaml.parse({
    name: "sample",
    description: "Writes what it was given.",
    targets: { configure: 80, cleanup: 20 },
    parameters: [
      { name: "size", description: "How large.", required: true },
      { name: "api-token", description: "A token.", password: true },
      { name: "address", description: "An address.", index: true },
      { name: "mode", description: "The mode.", default: "quick" },
    ],
    run: { program: "/opt/sample/run.sh", timeout: 2 },
  });
  const here = pythons.filter(({ path }) => existsSync(path));

  it.each(here)("runs once per clone, with secrets out of sight: $name", ({ path }) => {
    const files = {
      "etc/template.d/scripts/sample": wrapperOf(yaml, path),
      "opt/sample/run.sh": program,
    };
    const values = (size: string) =>
      JSON.stringify({
        "org.tbuild.sample.size": size,
        "org.tbuild.sample.api-token": "s3cret-tökén",
        "org.tbuild.sample.address.0": "10.0.0.1",
        "org.tbuild.sample.address.3": "10.0.0.4",
        "com.oracle.linux.root-password": "other",
      });
    const script = `
run() { printf '%s\\n' "$2" | ovm-template-config -s sample --stdin "$1" 2>&1 && echo "rc 0" || echo "rc $?"; }
ovm-chkconfig --add sample
ovm-chkconfig --list sample
ovm-template-config -e -s sample configure
run configure '{"com.oracle.linux.root-password": "other"}'
run configure '${values("small")}'
run configure '${values("hang")}'
run configure '${values("big")}'
run configure '${values("big")}'
run cleanup '${values("big")}'
ls /var/lib/tbuild/modules
echo LOG; cat /var/log/ovm-template-config.log
ps ax | grep -c '[s]leep 100' || true
`;
    const { out, err, code } = inGuest(path, script, files);
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    const [said = "", log = ""] = out.split("LOG\n");
    expect(said).toMatch(/sample\s+on:80\s+off\s+off\s+on:20/);
    expect(said).toContain('"org.tbuild.sample.api-token"');
    expect(said).toMatch(/the value of org.tbuild.sample.size is missing\s*rc [1-9]/);
    expect(said).toMatch(/exit code 7: cannot do small, token \*\*\*\s*rc [1-9]/);
    expect(said).toMatch(/did not end within 2 seconds; its last line: \S.*\s*rc [1-9]/);
    expect(said.match(/rc 0/g)).toHaveLength(3);
    expect(log).toContain(
      "configure: sample: | target=configure SIZE=big MODE=quick TOKEN=*** A0=10.0.0.1 A3=10.0.0.4 args=1",
    );
    expect(log).toContain("/bin/sh /opt/sample/run.sh configure");
    expect(log).toContain("sample: | configure: this clone is configured already");
    expect(log).toContain("cleanup: sample: | target=cleanup");
    expect(`${said}${log}`).not.toContain("s3cret");
    expect(log.trimEnd().endsWith("\n0")).toBe(true);
  });
});

it.each(pythons.filter(({ path }) => existsSync(path)))(
  "a program that reads little of a long input is killed at its deadline; one that reads gets all of it: $name",
  async ({ path }) => {
    const folder = await mkdtemp(join(tmpdir(), "tbuild-input-"));
    try {
      const program = join(folder, "run.sh");
      const yaml = ModuleYaml.parse({
        name: "sample",
        description: "Reads.",
        targets: { configure: 80 },
        parameters: [{ name: "v", description: "V.", index: true }],
        run: { program, timeout: 2, input: "json" },
      });
      const wrapper = wrapperOf(yaml, path)
        .replaceAll("/var/log/", `${folder}/`)
        .replaceAll("/var/lib/tbuild/", `${folder}/`);
      const caller = `import json, sys
names = {'__name__': 'sample'}
exec(compile(sys.stdin.read(), 'sample', 'exec'), names)
names['do_configure'](json.dumps(dict(('org.tbuild.sample.v.%d' % i, 'x' * 8000) for i in range(12))))
`;
      const run = async (text: string) => {
        await writeFile(program, text, { mode: 0o755 });
        const { stderr } = spawnSync(path, ["-c", caller], {
          input: wrapper,
          encoding: "utf8",
          timeout: 60_000,
        });
        return stderr.trim().split("\n").at(-1);
      };
      expect(await run("#!/bin/sh\nexec sleep 30\n")).toMatch(/did not end within 2 seconds/);
      expect(await run("#!/bin/sh\nexec < /dev/null\nexit 3\n")).toMatch(/exit code 3/);
      expect(await run("#!/bin/sh\nsleep 1\nwc -c\nexit 3\n")).toMatch(/exit code 3: 96\d\d\d$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

describeWith(rootNeeds, "the program of a module for after the boot", () => {
  const yaml = ModuleYaml.parse({
    name: "sample",
    description: "Works after the boot.",
    targets: { configure: 80, cleanup: 20 },
    parameters: [
      { name: "how", description: "How." },
      { name: "api-token", description: "A token.", password: true },
    ],
    run: { program: "/opt/sample/run.sh" },
    afterBoot: { program: "/opt/sample/after.sh", timeout: 2 },
  });
  const after = `#!/bin/sh
echo "$1 HOW=$HOW with $API_TOKEN"
[ -e /ready ] || { echo "the share is not there"; exit 75; }
[ "$HOW" != hang ] || while kill -0 $$; do sleep 1; done
[ "$HOW" != fail ] || { echo "broken" >&2; exit 3; }
touch /worked
`;
  const files = (path: string) => ({
    "etc/template.d/scripts/sample": wrapperOf(yaml, path),
    "opt/sample/run.sh": "#!/bin/sh\n",
    "opt/sample/after.sh": after,
    ...Object.fromEntries(afterBootFiles(yaml).map(({ path: at, text }) => [at.slice(1), text])),
  });
  const configure = (how: string) =>
    `rm -rf /var/lib/tbuild; printf '%s\\n' '{"org.tbuild.sample.how": "${how}", "org.tbuild.sample.api-token": "s3cret-token"}' | ovm-template-config -s sample --stdin configure 2>&1
waiting=/var/lib/tbuild/after-boot/sample; stat -c '%a %U' $waiting`;
  const run = "/etc/template.d/scripts/sample --after-boot 2>&1 && echo rc 0 || echo rc $?";
  const here = pythons.filter(({ path }) => existsSync(path));

  it.each(here)("waits, runs once, and keeps its values for the next boot if it fails: $name", ({ path }) => {
    const { out, err, code } = inGuest(
      path,
      `ovm-chkconfig --add sample; : > /var/log/ovm-template-config.log
${configure("work")}; ${run}; ls $waiting; touch /ready; ${run}; ls /worked; ls $waiting 2> /dev/null || echo none; rm /worked; ${run}; ls /worked 2> /dev/null || echo not again
${configure("fail")}; ${run}; ls $waiting
${configure("hang")}; ${run}; ls $waiting; ps ax | grep -c '[s]leep 100' || :
printf '{}\\n' | ovm-template-config -s sample --stdin cleanup > /dev/null 2>&1; ls $waiting 2> /dev/null || echo gone
cat /var/log/ovm-template-config.log`,
      files(path),
    );
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    const [said = "", log = ""] = out.split("gone\n");
    const waiting = "/var/lib/tbuild/after-boot/sample";
    expect(said.replaceAll(/^.*no init runs here.*\n/gm, "").split("\n")).toEqual([
      ...["600 root", "rc 0", waiting, "rc 0", "/worked", "none", "rc 0", "not again"],
      ...[
        "600 root",
        "sample: after-boot HOW=fail with ***",
        "sample: broken",
        "sample: exit code 3: broken",
        "rc 1",
        waiting,
      ],
      ...["600 root", "sample: after-boot HOW=hang with ***"],
      "sample: did not end within 2 seconds; its last line: after-boot HOW=hang with ***",
      ...["rc 1", waiting, "0", ""],
    ]);
    expect(log).toContain("sample: the share is not there\n");
    expect(log).toContain(
      "sample: after-boot: not yet; the next boot tries again, or: service tbuild-after-sample start",
    );
    expect(out).not.toContain("s3cret");
  });

  it("is started by systemd without waiting, or by SysV init when no program rc runs any more", () => {
    const { out } = inGuest(
      "/usr/bin/python3",
      `printf '#!/bin/sh\necho systemctl "$@" >> /calls\n' > /usr/local/bin/systemctl; chmod 755 /usr/local/bin/systemctl
ln -sf /usr/local/bin/systemctl /usr/bin/systemctl; ovm-chkconfig --add sample; touch /ready
mkdir -p /run/systemd/system; ${configure("work")} > /dev/null; rmdir /run/systemd/system; cat /calls
printf '#!/bin/sh\nwhile [ ! -e /go ]; do sleep 0.1; done\ntouch /booted\n' > /usr/local/bin/rc; chmod 755 /usr/local/bin/rc
/usr/local/bin/rc & until [ "$(cat /proc/$!/comm)" = rc ]; do sleep 0.1; done
sed -i 's,/dev/console,/console,' /etc/rc.d/init.d/tbuild-after-sample
/etc/rc.d/init.d/tbuild-after-sample start; /etc/rc.d/init.d/tbuild-after-sample status
while flock -n $waiting true; do sleep 0.1; done
/etc/template.d/scripts/sample --after-boot; ls /worked 2> /dev/null || echo not before; touch /go
while [ ! -e /worked ]; do sleep 0.2; done; ls /booted; while [ -e $waiting ]; do sleep 0.1; done; /etc/rc.d/init.d/tbuild-after-sample status`,
      files("/usr/bin/python3"),
    );
    expect(out.split("\n")).toEqual([
      "systemctl --quiet enable tbuild-after-sample.service",
      "systemctl --no-block start tbuild-after-sample.service",
      "sample still has to run after the boot",
      "not before",
      "/booted",
      "sample has nothing to do",
      "",
    ]);
  });

  it("includes its service, needs the target configure, and exists", async () => {
    const lines = `${sample}afterBoot: { program: /opt/sample/after.sh }\n`;
    const whole = { "/opt/sample/run.sh": program, "/opt/sample/after.sh": after };
    const { payload } = await readModule(await folder(lines, whole));
    expect(payload.map(({ path }) => path)).toEqual([
      "/opt/sample/after.sh",
      "/opt/sample/run.sh",
      "/etc/rc.d/init.d/tbuild-after-sample",
      "/usr/lib/systemd/system/tbuild-after-sample.service",
    ]);
    const { findings } = await checkModules([await folder(lines, whole)], everywhere);
    expect(findings.filter(isUnexpected)).toEqual([]);
    const said = async (text: string, files?: Record<string, string>) =>
      (await checkModules([await folder(text, files)], everywhere, false)).findings
        .map((one) => `${one.line}: ${one.text}`)
        .join("\n");
    expect(await said(lines)).toMatch(
      /^10: afterBoot.program: payload\/opt\/sample\/after.sh does not exist/m,
    );
    expect(await said(lines.replace("configure: 80, ", ""), whole)).toMatch(
      /^10: afterBoot: the module does not run at configure, so nothing would start this program/m,
    );
  });
});

describe("a new module", () => {
  it.each(["bash", "python", "perl"] as const)("in %s has no findings", async (language) => {
    const at = await mkdtemp(join(root, "new-"));
    const parameters = [
      { name: "size", required: true as const },
      { name: "token", password: true as const },
    ];
    const module = {
      name: "fresh",
      description: "Does it.",
      targets: { configure: 80, cleanup: 20 },
      parameters,
    };
    await writeNewModule(at, { ...module, language });
    const { findings, reports } = await checkModules([join(at, "fresh")], everywhere);
    expect(findings).toEqual([]);
    expect(reports[0]?.keys).toEqual(["org.tbuild.fresh.size", "org.tbuild.fresh.token"]);
    await expect(writeNewModule(at, { ...module, language })).rejects.toThrow("exists already");
  });

  it("with an impossible name is refused, and nothing is written", async () => {
    const at = await mkdtemp(join(root, "new-"));
    const module = {
      description: "x",
      targets: { configure: 80 },
      parameters: [],
      language: "bash" as const,
    };
    await expect(writeNewModule(at, { ...module, name: "../x" })).rejects.toMatchObject({ fault: "usage" });
    expect(await readdir(at)).toEqual([]);
  });
});

describe("a module that was written by hand", () => {
  const answer = join(import.meta.dirname, "by-hand/answer");

  it("becomes a module.yaml with the same targets and keys", async () => {
    const { yaml, parts } = await adoptModule(answer);
    expect(yaml.targets).toEqual({ configure: 91 });
    const { reports } = await checkModules([answer], everywhere, false);
    expect(yaml.parameters.map((one) => keyOf(yaml, one))).toEqual(reports[0]?.keys);
    const at = await folder(
      stringify(yaml),
      { [yaml.run.program]: Buffer.from(parts.script).toString("utf8") },
      "answer",
    );
    const adopted = await checkModules([at], everywhere);
    expect(adopted.findings).toEqual([]);
    expect(adopted.reports[0]?.keys).toEqual(reports[0]?.keys);
  });

  it("whose parameters are made at run time is refused, with the line", async () => {
    const at = join(await mkdtemp(join(root, "m-")), "odd");
    await mkdir(at);
    await writeFile(
      join(at, "odd"),
      `#!/usr/bin/python
### BEGIN PLUGIN INFO
# name: odd
# configure: 80
# description: Odd.
### END PLUGIN INFO
import json, os
from templateconfig.cli import main
def do_enumerate(target):
    return json.dumps([{'key': os.environ['KEY']}])
def do_configure(param):
    return param
main(do_enumerate, {'configure': do_configure})
`,
    );
    await expect(adoptModule(at)).rejects.toMatchObject({
      fault: "usage",
      lines: [expect.stringMatching(/odd:\d+: not all parameters are known/)],
    });
  });
});

describeWith(["rpmbuild", "rpm"], "the RPM of a module", () => {
  it("turns the service of a program for after the boot off when it is removed, and only then", async () => {
    const at = await folder(`${sample}afterBoot: { program: /opt/sample/run.sh }\n`);
    const module = await readModule(at);
    const out = await mkdtemp(join(root, "rpm-"));
    const file = await buildModuleRpm(localHost(), module, module.version, out);
    const { stdout } = await localHost().run(["rpm", "-qp", "--scripts", file]);
    const [, last = ""] = stdout.split("preuninstall");
    expect(stdout.match(/tbuild-after-sample/g)).toHaveLength(2);
    await writeFile(
      join(out, "preun"),
      last.replace(/^.*\n/, "").replaceAll("/sbin/chkconfig", "echo chkconfig"),
    );
    const preun = async (left: string) =>
      (
        await localHost().run([
          "sh",
          "-c",
          `sed -i 's,/usr/sbin/ovm-chkconfig,echo ovm,' "$0"; sh "$0" ${left}`,
          join(out, "preun"),
        ])
      ).stdout;
    expect(await preun("1")).toBe("");
    expect(await preun("0")).toMatch(/^ovm --del sample\n(?:chkconfig --del tbuild-after-sample\n)?/);
  });

  it("is noarch, has the files with their modes, and runs ovm-chkconfig; the same module gives the same bytes", async () => {
    const at = await folder(
      `${sample}packages: [chrony]\nversion: "2.1"\nfiles: { /opt/sample/key: { mode: "0600", owner: "54321:54322" } }\n`,
      { "/opt/sample/run.sh": program, "/opt/sample/key": "x" },
    );
    const module = await readModule(at);
    const out = await mkdtemp(join(root, "rpm-"));
    const file = await buildModuleRpm(localHost(), module, module.version, out);
    expect(basename(file)).toBe("ovm-template-config-sample-2.1-1.noarch.rpm");
    const query = async (...args: string[]) =>
      (await localHost().run(["rpm", "-qp", ...args, file])).stdout.trim().split("\n");
    expect(await query("--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\\n]")).toEqual([
      "-rwxr-xr-x root /etc/template.d/scripts/sample",
      "-rw------- root /opt/sample/key",
      "-rwxr-xr-x root /opt/sample/run.sh",
    ]);
    const requires = await query("--requires");
    expect(requires).toEqual(expect.arrayContaining(["ovm-template-config", "chrony"]));
    expect(requires.filter((one) => /FileDigests|PayloadIs(?:Xz|Zstd)/.test(one))).toEqual([]);
    const scripts = (await query("--scripts")).join("\n");
    expect(scripts).toContain("chown 54321:54322 /opt/sample/key");
    expect(scripts).toContain("ovm-chkconfig --add sample");
    expect(scripts).toContain("ovm-chkconfig --del sample");
    const again = await buildModuleRpm(
      localHost(),
      module,
      module.version,
      await mkdtemp(join(root, "rpm-")),
    );
    expect((await readFile(again)).equals(await readFile(file))).toBe(true);
  });
});

describeWith(rootNeeds, "secrets in the log of a module made from module.yaml", () => {
  it.each(pythons.filter(({ path }) => existsSync(path)))(
    "are masked by line, and if one starts another: $name",
    ({ path }) => {
      const module = ModuleYaml.parse({
        name: "sample",
        description: "Prints its secrets.",
        targets: { configure: 80 },
        parameters: ["short", "long", "key", "other-key"].map((name) => ({
          name,
          description: "x",
          password: true,
        })),
        run: { program: "/opt/sample/run.sh" },
      });
      const { out, code } = inGuest(
        path,
        `ovm-chkconfig --add sample
printf '%s\\n' '${JSON.stringify({
          "org.tbuild.sample.short": "passw0rd",
          "org.tbuild.sample.long": "passw0rd-tail",
          "org.tbuild.sample.key": "-----BEGIN-----\nbodybody1\n-----END-----\n",
          "org.tbuild.sample.other-key": "-----BEGIN-----\\nbodybody2\\n-----END-----",
          "com.oracle.linux.root-password": "x",
        })}' > /v
ovm-template-config -s sample --stdin configure < /v 2>&1 || echo "rc $?"
cat /var/log/ovm-template-config.log`,
        {
          "etc/template.d/scripts/sample": wrapperOf(module, path),
          "opt/sample/run.sh":
            '#!/bin/sh\necho "$SHORT $LONG"; echo "$KEY"; printf "%b\\n" "$OTHER_KEY"; exit 3\n',
        },
      );
      expect(code).toBe(0);
      expect(out).toContain("sample: *** ***");
      expect(out).toContain("exit code 3");
      for (const secret of ["passw0rd", "tail", "bodybody"]) expect(out).not.toContain(secret);
    },
  );
});
