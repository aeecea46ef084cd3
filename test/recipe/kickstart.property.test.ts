import fc from "fast-check";
import { expect, it } from "vitest";
import { rules } from "../../src/build/rules.ts";
import { checkKickstart, type KickstartPart, partsOf } from "../../src/recipe/check-kickstart.ts";
import { kickstart, noSecrets } from "../../src/recipe/kickstart.ts";
import { majorOf, Recipe } from "../../src/recipe/recipe.ts";
import { shellWords } from "../../src/recipe/shell-words.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

// What would end a word, a line, a section or a script, if it were written as it is.
const hostile = fc.oneof(
  fc.constantFrom(
    "x\nrootpw y",
    "x\n%end\n%post\nid",
    "%include /etc/shadow",
    "%end",
    "#",
    "a b",
    'a"b',
    "a'b",
    "a\\",
    "$(id)",
    "`id`",
    "a;b",
    "--iscrypted",
    "-rootpw",
    "{{secrets.nonce}}",
    "é",
    "\u2028",
    "\u0001",
    "",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const some = <T>(good: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 60, arbitrary: good }, { weight: 1, arbitrary: hostile as fc.Arbitrary<unknown> });
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
      machine: fc.constant({ disk: "40G" }),
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
      repositories: fc.constant([{ id: "a", name: "a", url: "http://a/" }]),
      additions: fc.constant({ repository: "a", packages: ["ovmd"] }),
      packages: fc.record({
        base: fc.array(
          some(fc.oneof(word, fc.constantFrom("@base", "@^minimal", "@Development Tools", "perl-*"))),
          {
            maxLength: 5,
          },
        ),
        exclude: fc.array(some(word), { maxLength: 2 }),
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
        "layout",
        "additions",
        "repositories",
        "domainType",
      ],
    },
  )
  .map((recipe) => ({
    ...recipe,
    layout: recipe.layout.map((part) => {
      const possible = systems[recipe.release];
      return { ...part, fs: typeof part.fs === "number" ? possible[part.fs % possible.length] : part.fs };
    }),
  }));

it("of a thousand random recipes each is refused in words, or every value stands exactly where it belongs", async () => {
  const templates = new Map<string, Awaited<ReturnType<typeof kickstartTemplate>>>();
  for (const release of Object.keys(systems)) templates.set(release, await kickstartTemplate(release));
  const count = { refused: 0, rendered: 0 };
  await fc.assert(
    fc.asyncProperty(recipes, async (raw) => {
      const result = Recipe.safeParse(raw);
      const problems = result.success
        ? await problemsOf(result.data)
        : result.error.issues.map((i) => i.message);
      if (!result.success || problems.length > 0) {
        for (const text of problems) expect(text).toMatch(/\S/);
        count.refused++;
        return;
      }
      count.rendered++;
      const recipe = result.data;
      const template = templates.get(recipe.release);
      const text = await kickstart(recipe, template ?? expect.fail(), noSecrets);
      const major = majorOf(recipe.release);
      expect(checkKickstart(text, major)).toEqual([]);
      const parts = partsOf(text, major, () => {});
      expect(commandsOf(parts)).toEqual(expectedCommands(recipe, major));
      expect(parts.filter((part) => part.kind === "section").map((part) => part.name)).toEqual([
        "%packages",
        ...(major >= 7 ? ["%addon"] : []),
        "%pre",
        "%post",
        "%post",
      ]);
      expect(section(parts, "%packages")).toEqual(expectedPackages(recipe));
      expect(text.split("\n")[0]).toBe(
        `# ${recipe.name} ${recipe.version}, Oracle Linux ${major}: written by tbuild`,
      );
      expect(section(parts, "%post").filter((line) => line.includes("whatprovides"))).toEqual(
        expectedPackages(recipe)
          .filter((name) => /^[^@-][^*]*$/.test(name))
          .map(
            (name) =>
              `  rpm -q '${name}' >/dev/null || rpm -q --whatprovides '${name}' >/dev/null || missing="$missing "'${name}'`,
          ),
      );
      expect(text).not.toMatch(/[^\n\x20-\x7e]/);
    }),
    { numRuns: 1000, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(count.refused).toBeGreaterThan(100);
  expect(count.rendered).toBeGreaterThan(100);
}, 120_000);

async function problemsOf(recipe: Recipe): Promise<string[]> {
  const found: string[] = [];
  for (const rule of rules)
    await rule(recipe, { folder: "/none", moduleFolders: [], problem: (_path, text) => found.push(text) });
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
  const options = (part: { options?: string | undefined }) =>
    part.options === undefined ? [] : [`--fsoptions=${part.options}`];
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
    ["poweroff"],
  ];
}

function expectedPackages(recipe: Recipe): string[] {
  return [
    "@core",
    "openssh-server",
    ...(recipe.kernel === "uek" ? ["kernel-uek"] : ["kernel", "-kernel-uek"]),
    ...recipe.packages.base,
    ...recipe.packages.exclude.map((name) => `-${name}`),
  ];
}
