import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Passwords } from "../../src/build/secrets.ts";
import { localHost } from "../../src/host/local.ts";
import { checkKickstart, partsOf } from "../../src/kickstart/check.ts";
import { kickstart, noSecrets } from "../../src/kickstart/render.ts";
import { postProvisioning, writing } from "../../src/provision/post-script.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-post-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function load(release: string, text: string) {
  const file = join(folder, "own.yaml");
  await writeFile(file, `extends: ${release}-base\nname: own\nprovision: post\n${text}`);
  return (await loadRecipe(resolve(import.meta.dirname, "../../recipes"), file, rules)).recipe;
}

async function bash(script: string): Promise<string> {
  const run = promisify(execFile)("bash", ["-eu", "-s"], { cwd: folder });
  run.child.stdin?.end(script);
  return (await run).stdout;
}

describe("the files that %post writes", () => {
  it("are unchanged, whatever their lines are, and no line begins like a section", async () => {
    const line = fc.oneof(
      fc.constantFrom(
        "%end",
        "%post",
        "TBUILD",
        "|",
        "",
        " %end",
        "$(id)",
        "`id`",
        "\\",
        "'",
        "é",
        "%include /x",
      ),
      fc
        .string({ unit: "grapheme", maxLength: 10 })
        .map((text) => text.replace(/[\r\0\n\u2028\u2029\u0085]/g, "")),
    );
    const text = fc
      .tuple(fc.array(line, { maxLength: 6 }), fc.boolean())
      .map(([lines, end]) => lines.join("\n") + (end ? "\n" : ""));
    const texts = fc.sample(text, 200);
    const script = texts.flatMap((one, i) => writing(Buffer.from(one), "file", `> ${i}`));
    expect(script.filter((one) => /^\s*%/.test(one))).toEqual([]);
    await bash(script.join("\n"));
    for (const [i, one] of texts.entries()) expect(await readFile(join(folder, String(i)), "utf8")).toBe(one);
  });

  it("are refused if a kickstart cannot contain them", () => {
    for (const bytes of [[0xff, 0xfe], [0], [13, 10]])
      expect(() => writing(Buffer.from(bytes), "file /etc/x", "> x")).toThrow(
        "file /etc/x: contains bytes that a kickstart cannot contain",
      );
  });
});

describe.each([5, 6, 7, 8, 9])("a recipe of OL%i that is provisioned in %%post", (major) => {
  it("gives a kickstart that its release takes, with scripts that a shell can read", async () => {
    const recipe = await load(
      `ol${major}`,
      `packages: { install: [strace, "@base"], remove: [cups] }
groups: [{ name: asm, gid: 500 }]
users: [{ name: grid, uid: 501, group: asm, password: { env: P } }]
folders: [{ path: /u01/app }]
files: [{ path: /etc/x.conf, content: "%end\\nTBUILD\\n" }]
scripts: [{ name: one, run: "echo '%post'\\nexit 0\\n" }]
services: { enable: [ntpd], disable: [cups] }
`,
    );
    const mirrors = { [recipe.additions?.repository ?? ""]: "http://10.0.2.2:1/addons/" };
    const post = await postProvisioning(recipe, { folder, mirrors, passwords: { grid: "$6$a$b" } });
    const text = await kickstart(recipe, await kickstartTemplate(recipe.release), noSecrets, post);
    expect(checkKickstart(text, major)).toEqual([]);
    expect(text).toMatch(
      new RegExp(`^repo --name=${recipe.additions?.repository} --baseurl=http://10.0.2.2:1/addons/$`, "m"),
    );
    const parts = partsOf(text, major, () => {});
    const sections = parts.filter((part) => part.kind === "section");
    expect(sections.map((part) => part.name)).toEqual([
      "%packages",
      ...(major >= 7 ? ["%addon"] : []),
      "%pre",
      "%post",
      "%post",
    ]);
    const body = sections.find((part) => part.name === "%post")?.body.join("\n") ?? "";
    await bash(`bash -n <<'WHOLE'\n${body}\nWHOLE\n`);
    for (const wanted of [
      major === 5
        ? "|baseurl=http://10.0.2.2:1/addons/\n|gpgcheck=0"
        : `'--setopt=${recipe.additions?.repository}.baseurl=http://10.0.2.2:1/addons/'`,
      "| 'chpasswd' '-e'\n|grid:$6$a$b\n",
      major >= 7 ? "'systemctl' 'enable' 'ntpd'" : "'chkconfig' 'ntpd' 'on'",
      "for p in 'libovmapi' ",
    ])
      expect(body).toContain(wanted);
  });
});

describe("a repository on the medium", () => {
  const offline = (more: string) => `replace: [repositories]
repositories: [{ id: addons, name: addons, url: "medium:/addons" }]
additions: { repository: addons }
${more}`;

  it.each([5, 6, 7, 8, 9])(
    "is copied into the guest of OL%i, used without network, and gone afterwards",
    async (major) => {
      const recipe = await load(`ol${major}`, offline(""));
      const post = await postProvisioning(recipe, { folder, mirrors: {}, passwords: {} });
      const text = await kickstart(recipe, await kickstartTemplate(recipe.release), noSecrets, post);
      expect(checkKickstart(text, major)).toEqual([]);
      expect(text).not.toMatch(/^repo /m);
      expect(text).toContain("cp -a /tmp/tbuild-medium'/addons'/. $S/var/tmp/tbuild-medium'/addons'/");
      expect(text).toContain("|baseurl=file:///var/tmp/tbuild-medium/addons/");
      expect(text).toMatch(
        /^rm -rf \/tmp\/tbuild-yum\.conf \/etc\/yum\.repos\.d\/tbuild-medium\.repo \/var\/tmp\/tbuild-medium$/m,
      );
      const scripts = partsOf(text, major, () => {}).filter((part) => part.name === "%post");
      expect(scripts).toHaveLength(3);
      await bash(
        scripts.map((part, i) => `bash -n <<'WHOLE${i}'\n${part.body.join("\n")}\nWHOLE${i}`).join("\n"),
      );
    },
  );

  it("is for the installer only", async () => {
    const file = join(folder, "own.yaml");
    await writeFile(file, `extends: ol6-base\nname: own\n${offline("")}`);
    await expect(
      loadRecipe(resolve(import.meta.dirname, "../../recipes"), file, rules),
    ).rejects.toMatchObject({
      lines: [
        expect.stringMatching(
          /own\.yaml:4:\d+: repositories\.0\.url: only the installer can read the medium/,
        ),
      ],
    });
  });
});

describe("a release of UEK", () => {
  it("is taken from its own repository and from no other", async () => {
    const recipe = await load(
      "ol7",
      `kernel: uekr5
repositories: [{ id: ol7_UEKR5, name: UEK R5, url: "https://yum.oracle.com/repo/OracleLinux/OL7/UEKR5/x86_64/" }]
`,
    );
    const { script } = await postProvisioning(recipe, { folder, mirrors: {}, passwords: {} });
    const yum = script.split("\n").find((line) => line.startsWith("'yum'")) ?? "";
    expect(yum).toContain("'--enablerepo=ol7_latest,ol7_addons,ol7_UEKR5'");
    expect(yum).toContain("'kernel-uek'");
  });

  it("needs that repository", async () => {
    await expect(load("ol7", "kernel: uekr3\n")).rejects.toMatchObject({
      lines: [
        expect.stringContaining(
          "kernel: uekr3 comes from the repository ol7_UEKR3, which is not in the recipe",
        ),
      ],
    });
  });
});

describe("a password that a recipe refers to", () => {
  const users = (where: string) => `users: [{ name: grid, uid: 501, group: dba, password: ${where} }]\n`;

  it("is found in the environment or in a file, and hashed", async () => {
    await writeFile(join(folder, "secret"), "from a file\n");
    for (const [where, secret] of [
      ["{ env: P }", "from the environment"],
      ["{ file: secret }", "from a file"],
    ] as const) {
      const recipe = await load("ol8", users(where));
      const { grid = "" } = await new Passwords(recipe, folder, () => "from the environment").hashes(
        localHost(),
      );
      const again = await localHost().run(
        ["openssl", "passwd", "-6", "-salt", grid.split("$")[2] ?? "", "-stdin"],
        {
          input: `${secret}\n`,
        },
      );
      expect(again.stdout.trim()).toBe(grid);
    }
  });

  it.each([
    ["{ env: P }", "there is no environment variable P"],
    ["{ file: nowhere }", "there is no file "],
    ["{ file: own.yaml }", "file "],
  ])("%s is asked for by name when it is not there", async (where, words) => {
    const recipe = await load("ol8", users(where));
    await expect(new Passwords(recipe, folder, () => undefined).hashes(localHost())).rejects.toThrow(
      `the password of grid: ${words}`,
    );
  });
});
