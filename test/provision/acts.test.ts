import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { postProvisioning } from "../../src/provision/post-script.ts";
import { provision } from "../../src/provision/provision.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";

const programs = [
  "getent",
  "groupadd",
  "useradd",
  "usermod",
  "chpasswd",
  "chown",
  "systemctl",
  "chkconfig",
  "yum",
  "rpm",
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-acts-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A guest in a folder: its programs record their arguments and stdin. */
async function guestIn(name: string) {
  const root = join(folder, name);
  for (const dir of ["bin", "root", "repos"]) await mkdir(join(root, dir), { recursive: true });
  await writeFile(join(root, "repos/release.repo"), "[ol7_latest]\n");
  const asked = '[ "$1 $2" = "passwd oracle" ]';
  for (const program of programs) {
    const file = join(root, "bin", program);
    const stdin = program === "chpasswd" ? "cat" : ":";
    const code = program === "getent" ? asked : ":";
    await writeFile(file, `#!/bin/sh\n{ echo "${program} $*"; ${stdin}; } >> ${root}/calls\n${code}\n`);
    await chmod(file, 0o755);
  }
  return {
    root,
    env: { PATH: `${root}/bin:/usr/bin:/bin` },
    inside: (text: string) =>
      text
        .replaceAll("/root/", `${root}/root/`)
        .replaceAll("/etc/yum.repos.d", `${root}/repos`)
        .replaceAll("/u01", `${root}/u01`),
  };
}

async function outcomeOf(root: string) {
  const calls = (await readFile(join(root, "calls"), "utf8")).replaceAll(root, "").split("\n");
  const files: Record<string, string> = {};
  for (const file of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name);
    if (file.isFile() && /\/(?:u01|repos)\//.test(path))
      files[path.slice(root.length)] = await readFile(path, "utf8");
  }
  // Packages are installed by yum either way, and proved by rpm in two ways.
  return { calls: calls.filter((line) => !/^(?:yum|rpm|chown) /.test(line)), files };
}

describe("what a recipe provisions", () => {
  it.each([
    { release: "ol6", detect: "flag", enabled: ["chkconfig ovmd on", "chkconfig ntpd on"] },
    { release: "ol7", detect: "flag", enabled: ["systemctl enable ovmd", "systemctl enable ntpd"] },
    { release: "ol7", detect: "mac", enabled: ["systemctl enable ntpd"] },
  ])(
    "is the same over ssh and in the %post of $release (detect: $detect)",
    async ({ release, detect, enabled }) => {
      const file = join(folder, "own.yaml");
      await writeFile(
        file,
        `extends: ${release}-base
name: own
groups: [{ name: asm, gid: 500 }]
users:
  - { name: grid, uid: 501, group: asm, groups: [dba], password: { env: P } }
  - { name: oracle, uid: 502, group: asm, home: /u01/home }
folders: [{ path: /u01/app, owner: root, group: root, mode: "0750" }]
files: [{ path: /u01/etc/x.conf, content: "%end\\nTBUILD\\n", mode: "0640" }]
scripts: [{ name: one, run: "echo '%post' > /u01/script\\nread -r line || echo no input >> /u01/script\\n" }]
services: { enable: [ntpd], disable: [cups] }
firstBoot: { detect: ${detect} }
`,
      );
      const { recipe } = await loadRecipe(resolve(import.meta.dirname, "../../recipes"), file, rules);
      const options = { folder, mirrors: {}, passwords: { grid: "$6$a$b" } };

      const far = await guestIn("ssh");
      const here = localHost();
      const host: Host = {
        ...here,
        run: (argv, { input, ...more } = {}) =>
          here.run(argv.map(far.inside), {
            ...more,
            env: far.env,
            ...(input !== undefined && { input: far.inside(Buffer.from(input).toString()) }),
          }),
        writeFile: (path, data, mode) => here.writeFile(far.inside(path), data, mode),
      };
      const said: string[] = [];
      const progress = (text: string, done?: number, all?: number) =>
        void said.push(`${text} ${done}/${all}`);
      await provision(host, recipe, { ...options, progress, signal: new AbortController().signal });
      expect(said).toContain("script one 1/1");

      const installed = await guestIn("post");
      const { script } = await postProvisioning(recipe, options);
      const run = promisify(execFile)("bash", ["-eu", "-s"], { env: installed.env });
      run.child.stdin?.end(installed.inside(script));
      await run;

      const [overSsh, inPost] = [await outcomeOf(far.root), await outcomeOf(installed.root)];
      expect(inPost).toEqual(overSsh);
      expect(overSsh.files).toMatchObject({
        "/u01/etc/x.conf": "%end\nTBUILD\n",
        "/u01/script": "%post\nno input\n",
        "/repos/tbuild.repo": expect.stringContaining("addons]"),
      });
      expect(overSsh.calls).toEqual(
        expect.arrayContaining([
          "groupadd -g 500 asm",
          "useradd -m -u 501 -g asm -G dba -d /home/grid grid",
          "usermod -g asm -G  oracle",
          "grid:$6$a$b",
        ]),
      );
      const on = overSsh.calls.filter((line) => /^(systemctl enable|chkconfig .* on$)/.test(line));
      if (detect === "mac") expect(on).toEqual(enabled);
      else expect(on).toEqual(expect.arrayContaining(enabled));
    },
  );

  it("is a guest fault that names the act when a command fails", async () => {
    const file = join(folder, "own.yaml");
    await writeFile(file, "extends: ol7-base\nname: own\nservices: { enable: [ntpd] }\n");
    const { recipe } = await loadRecipe(resolve(import.meta.dirname, "../../recipes"), file, rules);
    const guest = await guestIn("failing");
    await writeFile(join(guest.root, "bin/systemctl"), "#!/bin/sh\nexit 1\n");
    const here = localHost();
    const host: Host = {
      ...here,
      run: (argv, more) => here.run(argv.map(guest.inside), { ...more, env: guest.env }),
    };
    const options = {
      folder,
      mirrors: {},
      passwords: {},
      progress: () => {},
      signal: new AbortController().signal,
    };
    await expect(provision(host, recipe, options)).rejects.toMatchObject({
      fault: "guest",
      message: expect.stringMatching(/^service ovmd: .*exit code 1/),
    });
    const { script } = await postProvisioning(recipe, options);
    const run = promisify(execFile)("bash", ["-eu", "-s"], { env: guest.env });
    run.child.stdin?.end(guest.inside(script));
    await expect(run).rejects.toThrow();
    expect(await readFile(join(guest.root, "root/.tbuild-why"), "utf8")).toBe("service ovmd failed\n");
  });
});
