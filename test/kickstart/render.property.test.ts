import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import { z } from "zod";
import { TbuildError } from "../../src/errors.ts";
import { checkKickstart, partsOf } from "../../src/kickstart/check.ts";
import type { KickstartPart } from "../../src/kickstart/part.ts";
import { kickstart, noSecrets } from "../../src/kickstart/render.ts";
import { shellWords } from "../../src/kickstart/shell-words.ts";
import { postProvisioning } from "../../src/provision/post-script.ts";
import type { JsonSchema } from "../../src/recipe/json-schema.ts";
import { effective, majorOf, Recipe } from "../../src/recipe/recipe.ts";
import { mediumFolder } from "../../src/recipe/repositories.ts";
import { rules } from "../../src/recipe/rules.ts";
import { mkfsOptions } from "../../src/recipe/volume-ids.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

// Text that would end a word, a line, a section or a script if it were written unquoted.
const hostiles = [
  "x\nrootpw y",
  "x\n%end\n%post\nid",
  "x\r\ny",
  "%include /etc/shadow",
  "%ksappend http://h/x",
  "%end",
  "#",
  "x#y",
  "a b",
  'a"b',
  "a'b",
  "@Caesar's",
  "a\\",
  "$(id)",
  "`id`",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
  "${IFS}",
  "a;b",
  "a&b|c>d<e",
  "--iscrypted",
  "-rootpw",
  "{{secrets.nonce}}",
  "@CODE@",
  "\u0001x",
  "é",
  "\ud800",
  "x\u2028y",
  "",
  "../../etc/shadow",
  "x".repeat(70_000),
];
const content = fc.array(fc.constantFrom("%end", " %post", "TBUILD", "|x", "", "$(id)", "'", "\\", "é"), {
  maxLength: 3,
});
const releases = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
const hostile = fc.oneof(fc.constantFrom(...hostiles), fc.string({ unit: "binary", maxLength: 12 }));
const some = <T>(good: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 150, arbitrary: good }, { weight: 1, arbitrary: hostile as fc.Arbitrary<unknown> });
const word = fc.stringMatching(/^[a-z][a-z0-9_.+-]{0,10}$/);
const size = fc.oneof(
  fc.integer({ min: 1, max: 900 }).map((mib) => `${mib}M`),
  fc.integer({ min: 1, max: 3 }).map((gib) => `${gib}G`),
);
const partition = (mount: fc.Arbitrary<string>, fs: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      mount: some(mount),
      fs,
      size: some(size),
      grow: fc.boolean(),
      volume: some(word.map((w) => w.replace(/\W/g, "_"))),
      options: some(fc.constantFrom("nodev,nosuid", "defaults,data=journal")),
    },
    { requiredKeys: ["mount", "fs", "size"] },
  );
const systems = {
  ol5: ["ext3"],
  ol6: ["ext3", "ext4"],
  ol7: ["ext4", "xfs", "btrfs"],
  ol8: ["xfs"],
  ol9: ["ext4"],
};

// One that the release has, or anything; which release it is comes later.
const fileSystem = some(fc.nat(5));
const recipes = fc
  .record(
    {
      name: some(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)),
      version: some(fc.constant("1.2.3")),
      summary: hostile,
      release: fc.constantFrom(
        "ol5" as const,
        "ol6" as const,
        "ol7" as const,
        "ol8" as const,
        "ol9" as const,
      ),
      update: fc.integer({ min: 0, max: 10 }),
      iso: fc.record(
        {
          file: some(fc.constant("mine.iso")),
          volumeId: some(fc.constantFrom("OL-7.9 Server.x86_64", "é")),
          bytes: some(fc.constant(4_000_000_000)),
          sha256: some(fc.constant("0".repeat(64))),
        },
        { requiredKeys: [] },
      ),
      kickstart: some(fc.constant("mine")),
      machine: fc.record({
        vcpus: some(fc.constant(2)),
        memory: some(fc.constant("2G")),
        disk: fc.constant("40G"),
        firmware: some(fc.constantFrom("bios", "bios", "bios", "uefi")),
      }),
      layout: fc
        .tuple(
          partition(fc.constant("/boot"), fc.constant("ext3")).map(({ volume: _, ...part }) => part),
          partition(fc.constant("/"), fileSystem),
          fc.array(partition(fc.constantFrom("/var", "/home", "/u01/app", "/opt"), fileSystem), {
            maxLength: 3,
          }),
          fc.array(partition(fc.constant("swap"), fc.constant("swap")), { maxLength: 1 }),
        )
        .map(([boot, root, more, swap]) => [root, ...swap, ...more, boot]),
      volumeGroup: some(fc.constantFrom("system", "vg0")),
      nics: fc.array(some(fc.constantFrom("public", "storage")), { minLength: 1, maxLength: 3 }),
      lang: some(fc.constantFrom("de_CH.UTF-8", "C")),
      keyboard: some(fc.constantFrom("us", "sg-latin1")),
      timezone: some(fc.constantFrom("UTC", "America/Argentina/Ushuaia", "Etc/GMT+5")),
      ntp: fc.array(some(fc.constantFrom("pool.ntp.org", "10.0.0.1", "ntp-1.example.com")), { maxLength: 3 }),
      selinux: some(fc.constantFrom("enforcing", "permissive", "disabled")),
      firewall: fc.boolean(),
      ports: fc.array(some(fc.constantFrom("1521:tcp", "53:udp")), { maxLength: 2 }),
      kernel: some(fc.constantFrom("uek", "rhck")),
      kernelArguments: fc.array(some(fc.constantFrom("numa=off", "crashkernel=128M@16M")), { maxLength: 3 }),
      disks: fc.array(
        fc.record({
          size: some(size),
          fs: some(fc.constant("ext3")),
          mount: some(fc.constantFrom("/d1", "/d2/x")),
          options: some(fc.constant("noatime")),
        }),
        { maxLength: 1 },
      ),
      provision: fc.constantFrom("ssh" as const, "post" as const),
      repositories: fc
        .tuple(
          fc.record(
            {
              id: fc.constant("a"),
              name: some(fc.constantFrom("a", "$releasever – é")),
              url: some(fc.constantFrom("http://a/", "https://h/x?y=1&z=$basearch", "ftp://h/#x")),
              gpgKey: some(fc.constant("file:///etc/pki/x")),
              enabled: fc.boolean(),
              proxy: some(fc.constant("http://p:3128")),
            },
            { requiredKeys: ["id", "name", "url"] },
          ),
          fc.array(
            fc.record({
              id: fc.constant("b"),
              name: fc.constant("b"),
              url: fc.constantFrom("medium:/b", "http://b/"),
            }),
            { maxLength: 1 },
          ),
        )
        .map(([first, more]) => [first, ...more]),
      additions: fc.record({
        repository: some(fc.constant("a")),
        packages: fc.array(some(word), { minLength: 1 }),
      }),
      groups: fc.array(fc.record({ name: some(fc.constant("dba")), gid: some(fc.constant(500)) }), {
        maxLength: 1,
      }),
      users: fc.array(
        fc.record(
          {
            name: some(fc.constant("grid")),
            uid: some(fc.constant(501)),
            group: some(fc.constant("dba")),
            groups: fc.array(some(fc.constant("wheel")), { maxLength: 1 }),
            home: some(fc.constant("/u01/home/grid")),
            password: fc.record({ env: some(fc.constant("P")) }),
          },
          { requiredKeys: ["name", "uid", "group"] },
        ),
        { maxLength: 1 },
      ),
      folders: fc.array(
        fc.record({
          path: some(fc.constant("/u01/x@y")),
          owner: some(fc.constant("grid")),
          group: some(fc.constant("dba")),
          mode: some(fc.constant("0750")),
        }),
        { maxLength: 1 },
      ),
      files: fc.array(
        fc.record({
          path: some(fc.constant("/etc/x+y")),
          content: some(content.map((lines) => lines.join("\n"))),
          owner: some(fc.constant("root")),
          group: some(fc.constant("root")),
          mode: some(fc.constant("640")),
        }),
        { maxLength: 2 },
      ),
      scripts: fc.array(
        fc.record({ name: some(fc.constant("one")), run: some(content.map((lines) => lines.join("\n"))) }),
        { maxLength: 2 },
      ),
      services: fc.record({
        enable: fc.array(some(fc.constantFrom("ntpd", "getty@tty1.service")), { maxLength: 1 }),
        disable: fc.array(some(fc.constant("cups")), { maxLength: 1 }),
      }),
      modules: fc.array(some(fc.constant("grid")), { maxLength: 1 }),
      target: some(fc.constantFrom("ovm-3.4.6", "kvm")),
      allowUnfit: fc.boolean(),
      firstBoot: fc.record({ detect: fc.constantFrom("flag", "mac") }),
      seal: fc.record({
        how: some(fc.constantFrom("offline", "online")),
        skip: fc.array(some(fc.constant("hostname")), { maxLength: 1 }),
        keep: fc.array(some(fc.constant("/root/kept")), { maxLength: 1 }),
      }),
      bundles: fc.array(some(fc.constantFrom("ova", "raw")), { minLength: 1, maxLength: 1 }),
      convert: fc.array(
        fc.record({
          to: some(fc.constantFrom("kvm", "hvm")),
          bundles: fc.array(some(fc.constant("qcow2")), { minLength: 1, maxLength: 1 }),
        }),
        { maxLength: 1 },
      ),
      trial: fc.record({
        clones: some(fc.constant(1)),
        messages: fc.dictionary(hostile, hostile, { maxKeys: 1 }),
        checks: fc.array(fc.array(hostile, { minLength: 1, maxLength: 2 }), { maxLength: 1 }),
      }),
      packages: fc.record({
        base: fc.array(
          some(fc.oneof(word, fc.constantFrom("@base", "@^minimal", "@Development Tools", "perl-*"))),
          {
            maxLength: 5,
          },
        ),
        exclude: fc.array(some(word), { maxLength: 2 }),
        install: fc.array(some(fc.oneof(word, fc.constant("@base"))), { maxLength: 2 }),
        remove: fc.array(some(word), { maxLength: 2 }),
      }),
      domainType: fc.constant("XEN_HVM_PV_DRIVERS"),
    },
    {
      requiredKeys: [
        "name",
        "version",
        "summary",
        "release",
        "update",
        "machine",
        "disks",
        "provision",
        "layout",
        "additions",
        "repositories",
        "domainType",
      ],
    },
  )
  .map((recipe) => ({
    ...recipe,
    layout: recipe.layout.map((part) => ({
      ...part,
      fs: typeof part.fs === "number" ? fileSystemOf(recipe.release, part.fs) : part.fs,
    })),
  }))
  .chain((recipe) => fc.nat(19).map((chance) => (chance === 0 ? recipe : consistent(recipe))));

/** Removes values that the rules refuse together, so most recipes are rendered. */
function consistent<T extends Drawn>(recipe: T) {
  const post = recipe.provision === "post";
  const [first, ...more] = recipe.repositories;
  const mounts = new Set<unknown>();
  const layout = recipe.layout
    .map(({ volume, options, ...part }) => ({
      ...part,
      ...(volume !== undefined && part.fs !== "btrfs" && { volume }),
      ...(options !== undefined && part.fs !== "btrfs" && part.fs !== "swap" && { options }),
    }))
    .filter(({ mount }) => mount === "swap" || (!mounts.has(mount) && mounts.add(mount)));
  return {
    ...recipe,
    layout,
    ports: recipe.firewall ? recipe.ports : [],
    disks: post ? recipe.disks?.map((disk) => ({ size: disk.size })) : recipe.disks,
    repositories: [
      post && recipe.release === "ol5" ? { ...first, proxy: undefined } : first,
      ...more.filter(({ url }) => post || url !== "medium:/b"),
    ],
  };
}

interface Drawn {
  readonly release: (typeof releases)[number];
  readonly provision: "ssh" | "post";
  readonly firewall?: boolean;
  readonly ports?: readonly unknown[];
  readonly disks?: readonly { readonly size: unknown }[];
  readonly repositories: readonly { readonly url: unknown; readonly proxy?: unknown }[];
  readonly layout: readonly {
    readonly mount: unknown;
    readonly fs: unknown;
    readonly volume?: unknown;
    readonly options?: unknown;
  }[];
}

function fileSystemOf(release: (typeof releases)[number], at: number): string | undefined {
  return systems[release][at % systems[release].length];
}

const moduleFolders = [resolve(import.meta.dirname, "../../recipes/modules")];
const templates = Object.fromEntries(
  await Promise.all(releases.map(async (release) => [release, await kickstartTemplate(release)] as const)),
);

it("a random recipe is refused with a reason, or every value is exactly where it belongs (a thousand of them)", async () => {
  const count = { refused: 0, rendered: 0 };
  const reached = new Set<string>();
  await fc.assert(
    fc.asyncProperty(recipes, async (raw) => {
      const rendered = await standsWhereItBelongs(raw);
      count[rendered ? "rendered" : "refused"]++;
      if (rendered) for (const path of pathsOf(raw)) reached.add(path);
    }),
    { numRuns: 1000, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(count.refused).toBeGreaterThan(100);
  expect(count.rendered).toBeGreaterThan(100);
  // What none of them has: a base, whose recipes have no kickstart, and files beside the recipe; other tests have them.
  expect([...schemaPaths()].filter((path) => !reached.has(path))).toEqual([
    "from",
    "users.password.file",
    "files.from",
    "scripts.from",
  ]);
});

// Everything that a recipe can express, with good values.
const whole = {
  name: "whole",
  version: "1.2.3",
  summary: "all of it",
  release: "ol7",
  update: 9,
  iso: { file: "mine.iso", volumeId: "OL-7.9 Server.x86_64", bytes: 1, sha256: "0".repeat(64) },
  kickstart: "ol7",
  machine: { vcpus: 2, memory: "2G", disk: "40G", firmware: "bios" },
  layout: [
    { mount: "/boot", fs: "ext4", size: "500M" },
    { mount: "/", fs: "xfs", size: "3G", grow: true, options: "noatime", volume: "root" },
  ],
  volumeGroup: "vg",
  disks: [{ size: "1G" }],
  nics: ["public"],
  lang: "C",
  keyboard: "us",
  timezone: "UTC",
  ntp: ["10.0.0.1"],
  selinux: "enforcing",
  firewall: true,
  ports: ["1521:tcp"],
  kernel: "uek",
  kernelArguments: ["numa=off"],
  repositories: [
    { id: "a", name: "a", url: "http://a/", gpgKey: "http://a/k", enabled: true, proxy: "http://p:1" },
  ],
  additions: { repository: "a", packages: ["ovmd"] },
  packages: { base: ["@base"], exclude: ["cups"], install: ["strace"], remove: ["mutt"] },
  provision: "post",
  groups: [{ name: "dba", gid: 500 }],
  users: [
    { name: "grid", uid: 501, group: "dba", groups: ["wheel"], home: "/u01/g", password: { env: "P" } },
  ],
  folders: [{ path: "/u01", owner: "grid", group: "dba", mode: "0750" }],
  files: [{ path: "/etc/x", content: "x", owner: "root", group: "root", mode: "0644" }],
  scripts: [{ name: "one", run: "true" }],
  services: { enable: ["ntpd"], disable: ["cups"] },
  modules: ["grid"],
  target: "kvm",
  domainType: "XEN_HVM_PV_DRIVERS",
  allowUnfit: true,
  seal: { how: "offline", skip: ["hostname"], keep: ["/root/kept"] },
  bundles: ["qcow2"],
  convert: [{ to: "hvm", bundles: ["qcow2"] }],
  trial: { clones: 1, messages: { key: "value" }, checks: [["true"]] },
  firstBoot: { detect: "mac" },
};

it("a hostile value anywhere in a recipe is refused, or is written only where it belongs", async () => {
  expect(await standsWhereItBelongs(whole)).toBe(true);
  // Its disk is blank, as the installer must not see it. A recipe with a base has no kickstart.
  const beside = [
    "from",
    "users.password.file",
    "files.from",
    "scripts.from",
    "disks.fs",
    "disks.mount",
    "disks.options",
  ];
  const there = new Set(pathsOf(whole));
  expect([...schemaPaths()].filter((path) => !there.has(path)).sort()).toEqual(beside.sort());
  // The layout is one that every release has, and OL5 has no proxy in its installer.
  const layout = whole.layout.map((part) => ({ ...part, fs: "ext3" }));
  const repositories = whole.repositories.map(({ proxy: _, ...one }) => one);
  const others = releases.map((release) => ({
    ...whole,
    release,
    layout,
    repositories,
    update: 0,
    packages: { ...whole.packages, base: ["@Dialup Networking"] },
    provision: release === "ol8" ? "ssh" : "post",
  }));
  const withAdditions = { ...whole, firstBoot: { detect: "flag" } };
  for (const good of [whole, withAdditions, ...others]) {
    expect(await standsWhereItBelongs(good)).toBe(true);
    for (const place of placesOf(good))
      for (const value of hostiles) await standsWhereItBelongs(withAt(good, place, value));
  }
});

it.each([
  { detect: "flag", packages: ["ovmd", "strace"] },
  { detect: "mac", packages: ["strace"] },
])(
  "what the post section does in a shell is what the recipe says, to the byte (detect: $detect)",
  async ({ detect, packages }) => {
    const folder = await mkdtemp(join(tmpdir(), "tbuild-prop-"));
    try {
      for (const [index, value] of hostiles.filter((one) => !/[\r\u2028\ud800]/.test(one)).entries()) {
        const path = `${folder}/${index}/of it/x`.replace(" ", "+");
        const recipe = effective(
          Recipe.parse({
            ...whole,
            firstBoot: { detect },
            repositories: [{ ...whole.repositories[0], name: "$releasever 'é' $(id)" }],
            files: [{ ...whole.files[0], path, content: value }],
            folders: [{ ...whole.folders[0], path: `${folder}/${index}/d@d` }],
            scripts: [{ name: "one", run: `cat > ${folder}/${index}/script <<'HELD'\n${value}\nHELD\n` }],
          }),
        );
        const said = await inShell(recipe, folder);
        expect(await readFile(path, "utf8")).toBe(value);
        expect(await readFile(`${folder}/${index}/script`, "utf8")).toBe(`${value}\n`);
        expect(said).toEqual([
          ["yum", "-y", "--disablerepo=*", "--enablerepo=a", "install", ...packages],
          ["yum", "-y", "remove", "mutt"],
          ["yum", "clean", "all"],
          ["groupadd", "-g", "500", "dba"],
          ["useradd", "-m", "-u", "501", "-g", "dba", "-G", "wheel", "-d", "/u01/g", "grid"],
          ["chown", "grid:dba", `${folder}/${index}/d@d`],
          ["chown", "root:root", path],
          ["systemctl", "enable", "ntpd"],
          ["systemctl", "is-enabled", "cups"],
          ["systemctl", "disable", "cups"],
        ]);
        expect(await readFile(`${folder}/yum.repos.d/tbuild.repo`, "utf8")).toBe(
          "[a]\nname=$releasever 'é' $(id)\nbaseurl=http://a/\ngpgkey=http://a/k\ngpgcheck=1\nproxy=http://p:1\nenabled=1\n",
        );
        await rm(`${folder}/yum.repos.d`, { recursive: true });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

/** Runs the provisioning of %post, with what would change this machine only told: the words that each got. */
async function inShell(recipe: Recipe, folder: string): Promise<string[][]> {
  for (const name of ["bin", "yum.repos.d"]) await mkdir(join(folder, name), { recursive: true });
  const post = await postProvisioning(recipe, { folder, mirrors: {}, passwords: {} });
  const text = await kickstart(recipe, templates[recipe.release] ?? expect.fail(), noSecrets, post);
  const body = section(
    partsOf(text, majorOf(recipe.release), () => {}),
    "%post",
  ).join("\n");
  const from = body.indexOf("echo 'repository a failed'");
  expect(from).toBeGreaterThan(0);
  const script = body
    .slice(from, body.indexOf("\nrm -f /root/.tbuild-why", from))
    .replaceAll("/etc/yum.repos.d", `${folder}/yum.repos.d`)
    .replaceAll(" /root/", ` ${folder}/`);
  for (const name of "yum groupadd useradd usermod chown systemctl".split(" "))
    await writeFile(
      join(folder, "bin", name),
      `#!/bin/sh\nprintf '%s\\0' ${name} "$@" >> ${folder}/said; printf '\\n\\0' >> ${folder}/said; echo enabled\n`,
      { mode: 0o755 },
    );
  for (const name of ["getent", "rpm"])
    await writeFile(join(folder, "bin", name), `#!/bin/sh\n[ ${name} = rpm ]\n`, { mode: 0o755 });
  const bash = promisify(execFile)("bash", ["-es"], {
    cwd: folder,
    env: { PATH: `${folder}/bin:${process.env.PATH}` },
  });
  bash.child.stdin?.end(`${script}\n`);
  await bash;
  const said = await readFile(join(folder, "said"), "utf8");
  await rm(join(folder, "said"));
  return said
    .split("\n\0")
    .filter((one) => one !== "")
    .map((one) => one.split("\0").slice(0, -1));
}

/** Says whether it was rendered; fails where a value is not where it belongs, or is refused without words. */
async function standsWhereItBelongs(raw: unknown): Promise<boolean> {
  const result = Recipe.safeParse(raw);
  const problems = result.success
    ? await problemsOf(result.data)
    : result.error.issues.map((issue) => issue.message);
  if (!result.success || problems.length > 0) {
    for (const text of problems) expect(text).toMatch(/\S/);
    return false;
  }
  const recipe = effective(result.data);
  const major = majorOf(recipe.release);
  const text = await textOf(recipe);
  if (text === undefined) return false;
  expect(checkKickstart(text, major)).toEqual([]);
  const parts = partsOf(text, major, () => {});
  expect(commandsOf(parts)).toEqual(expectedCommands(recipe, major));
  const sections = parts.filter((part) => part.kind === "section");
  expect(sections.map((part) => part.name)).toEqual([
    "%packages",
    ...(major >= 7 ? ["%addon"] : []),
    "%pre",
    ...(onMedium(recipe) ? ["%post"] : []),
    "%post",
    "%post",
  ]);
  for (const part of sections) expect(part.body.filter((line) => /^\s*%/.test(line))).toEqual([]);
  expect(section(parts, "%packages")).toEqual(expectedPackages(recipe));
  expect(text.split("\n")[0]).toBe(
    `# ${recipe.name} ${recipe.version}, Oracle Linux ${major}: written by tbuild`,
  );
  const posts = sections.filter((part) => part.name === "%post").flatMap((part) => part.body);
  expect(posts.filter((line) => line.startsWith("  rpm -q "))).toEqual(
    expectedPackages(recipe)
      .filter((name) => /^[^@-][^*]*$/.test(name))
      .map(
        (name) =>
          `  rpm -q '${name}' >/dev/null || rpm -q --whatprovides '${name}' >/dev/null || missing="$missing "'${name}'`,
      ),
  );
  // What is written to files may be any text, and stands behind a bar.
  const others = text.split("\n").filter((line) => !line.startsWith("|") && !line.startsWith("echo 'file "));
  expect(others.join("\n")).not.toMatch(/[^\n\x20-\x7e]/);
  return true;
}

/** The kickstart; `undefined` when a file or a script of the recipe is refused in words. */
async function textOf(recipe: Recipe): Promise<string | undefined> {
  const template = templates[recipe.release] ?? expect.fail();
  if (recipe.provision === "ssh") return kickstart(recipe, template, noSecrets);
  try {
    const post = await postProvisioning(recipe, {
      folder: "/none",
      mirrors: {},
      passwords: { grid: "$6$a$b" },
    });
    return await kickstart(recipe, template, noSecrets, post);
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    expect(error.message).toMatch(/^(file|script) \S+: contains bytes that a kickstart cannot contain$/);
    return undefined;
  }
}

function onMedium(recipe: Recipe): boolean {
  return (
    recipe.provision === "post" && recipe.repositories.some(({ url }) => mediumFolder(url) !== undefined)
  );
}

/** Every place of the schema with a plain value: `layout.mount`, `services.enable`. */
function schemaPaths(): Set<string> {
  const walk = (schema: JsonSchema, path: string): string[] => {
    const inner = Object.entries(schema.properties ?? {}).flatMap(([key, one]) =>
      walk(one, path === "" ? key : `${path}.${key}`),
    );
    const item = schema.items === undefined ? [] : walk(schema.items, path);
    const either = (schema.anyOf ?? []).flatMap((one) => walk(one, path));
    const all = [...inner, ...item, ...either];
    return all.length > 0 ? all : [path];
  };
  return new Set(walk(z.toJSONSchema(Recipe, { io: "input" }) as JsonSchema, ""));
}

/** The places of a recipe that hold a plain value, as `schemaPaths` names them. */
function pathsOf(raw: unknown): Set<string> {
  const names = placesOf(raw).map((place) => place.filter((key) => typeof key === "string").join("."));
  return new Set(names.map((name) => name.replace(/^trial\.messages\..*$/s, "trial.messages")));
}

function placesOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  if (Array.isArray(value)) return value.flatMap((one, index) => placesOf(one, [...path, index]));
  if (typeof value !== "object" || value === null) return value === undefined ? [] : [[...path]];
  return Object.entries(value).flatMap(([key, one]) => placesOf(one, [...path, key]));
}

function withAt(value: unknown, [key, ...rest]: readonly (string | number)[], put: unknown): unknown {
  if (key === undefined) return put;
  if (Array.isArray(value)) return value.map((one, index) => (index === key ? withAt(one, rest, put) : one));
  const all = value as Record<string, unknown>;
  return { ...all, [key]: withAt(all[key], rest, put) };
}

async function problemsOf(recipe: Recipe): Promise<string[]> {
  const found: string[] = [];
  for (const rule of rules)
    await rule(recipe, {
      folder: "/none",
      moduleFolders,
      standing: () => "",
      fileOf: () => undefined,
      problem: (_path, text) => found.push(text),
    });
  return found;
}

function commandsOf(parts: readonly KickstartPart[]): string[][] {
  return parts.filter((part) => part.kind === "command").map((part) => shellWords(part.text));
}

function section(parts: readonly KickstartPart[], name: string): string[] {
  return (parts.find((part) => part.name === name)?.body ?? []).filter((line) => line !== "");
}

/** The order is that of the templates; the words are the recipe's, unquoted. */
function expectedCommands(recipe: Recipe, major: number): string[][] {
  const ntp = recipe.ntp.length > 0;
  const consoles = ["console=tty0", "console=ttyS0,115200"];
  const stable = major >= 7 ? ["net.ifnames=0", "biosdevname=0"] : [];
  const grow = (part: { grow: boolean }) => (part.grow ? ["--grow"] : []);
  const options = (part: Recipe["layout"][number]) => {
    const mkfs = mkfsOptions(recipe, part);
    return [
      ...(part.options === undefined ? [] : [`--fsoptions=${part.options}`]),
      ...(mkfs === undefined ? [] : [`--mkfsoptions=${mkfs}`]),
    ];
  };
  const plain = recipe.layout.filter((part) => part.volume === undefined);
  const volumes = recipe.layout.filter((part) => part.volume !== undefined);
  const ordered = [
    ...plain.filter((part) => part.mount === "/boot"),
    ...plain.filter((part) => part.mount === "swap"),
    ...plain.filter((part) => !["/boot", "swap"].includes(part.mount)),
  ];
  const sum = volumes.reduce((all, part) => all + part.size, 0) + 8 * (volumes.length + 1);
  const count = plain.length + (volumes.length > 0 ? 1 : 0);
  const primary = (index: number) => (count <= 4 || index < 3 ? ["--asprimary"] : []);
  return [
    ...(major <= 7 ? [["install"]] : []),
    ["cdrom"],
    ["cmdline"],
    ...(major === 5 ? [["key", "--skip"]] : []),
    ...(major >= 7 ? [["eula", "--agreed"]] : []),
    ["firstboot", "--disabled"],
    ["skipx"],
    ["lang", recipe.lang],
    ["keyboard", recipe.keyboard],
    [
      "timezone",
      "--utc",
      recipe.timezone,
      ...(ntp && (major === 7 || major === 8) ? [`--ntpservers=${recipe.ntp}`] : []),
    ],
    ...(major === 9 ? recipe.ntp.map((host) => ["timesource", `--ntp-server=${host}`]) : []),
    ["rootpw", "--iscrypted", "@PASSWORD-HASH@"],
    major <= 7 ? ["authconfig", "--enableshadow", "--passalgo=sha512"] : ["authselect", "select", "minimal"],
    ["selinux", `--${recipe.selinux}`],
    recipe.firewall
      ? ["firewall", "--enabled", "--ssh", ...(recipe.ports.length > 0 ? [`--port=${recipe.ports}`] : [])]
      : ["firewall", "--disabled"],
    ...recipe.nics.map((_, i) => [
      "network",
      "--bootproto=dhcp",
      `--device=eth${i}`,
      `--onboot=${i === 0 ? "yes" : "no"}`,
      "--noipv6",
    ]),
    [
      "bootloader",
      "--location=mbr",
      ...(major >= 6 ? ["--timeout=5"] : []),
      `--append=${[...consoles, ...stable, ...recipe.kernelArguments].join(" ")}`,
    ],
    ["zerombr"],
    ...(major > 5 || recipe.update >= 3 ? [["clearpart", "--all", "--initlabel"]] : []),
    ["%include", "/tmp/tbuild-disk.ks"],
    ...(recipe.machine.firmware === "uefi" ? [["part", "/boot/efi", "--fstype=efi", "--size=200"]] : []),
    ...ordered.flatMap((part, index) => {
      const rest = [
        `--fstype=${part.fs}`,
        `--size=${part.size}`,
        ...grow(part),
        ...options(part),
        ...primary(index),
      ];
      const id = `btrfs.0${recipe.layout.indexOf(part) + 1}`;
      return part.fs === "btrfs"
        ? [
            ["part", id, ...rest],
            ["btrfs", part.mount, id],
          ]
        : [["part", part.mount, ...rest]];
    }),
    ...(volumes.length > 0
      ? [
          [
            "part",
            "pv.01",
            `--size=${sum}`,
            ...(volumes.some((part) => part.grow) ? ["--grow"] : []),
            ...primary(plain.length),
          ],
          ["volgroup", recipe.volumeGroup, "--pesize=4096", "pv.01"],
          ...volumes.map((part) => [
            "logvol",
            part.mount,
            `--vgname=${recipe.volumeGroup}`,
            `--name=${part.volume}`,
            `--fstype=${part.fs}`,
            `--size=${part.size}`,
            ...grow(part),
            ...options(part),
          ]),
        ]
      : []),
    ...expectedRepositories(recipe),
    ["poweroff"],
  ];
}

/** One, and only when the installer needs the network: that of the additions, or where there are none, the first enabled one. */
function expectedRepositories(recipe: Recipe): string[][] {
  const isOnNetwork = ({ url }: { readonly url: string }) => mediumFolder(url) === undefined;
  const first = recipe.repositories.find((one) => one.enabled && isOnNetwork(one));
  const found =
    recipe.firstBoot.detect === "mac"
      ? recipe.packages.install.length > 0
        ? first
        : undefined
      : recipe.repositories.find(({ id }) => id === recipe.additions?.repository);
  if (recipe.provision !== "post" || found === undefined || mediumFolder(found.url) !== undefined) return [];
  const proxy = found.proxy === undefined ? [] : [`--proxy=${found.proxy}`];
  return [["repo", `--name=${found.id}`, `--baseurl=${found.url}`, ...proxy]];
}

function expectedPackages(recipe: Recipe): string[] {
  return [
    "@core",
    "openssh-server",
    ...(recipe.kernel === "uek" ? ["kernel-uek"] : ["kernel", "-kernel-uek"]),
    ...(majorOf(recipe.release) <= 6 && recipe.ntp.length > 0 && !recipe.packages.base.includes("ntp")
      ? ["ntp"]
      : []),
    ...recipe.packages.base,
    ...recipe.packages.exclude.map((name) => `-${name}`),
  ];
}
