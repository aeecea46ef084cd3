import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { describeWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
let folder: string;
let repo: string;

/** The built tbuild, in a clone of the recipe repo `repo`. */
const tbuild = async (...args: string[]) => {
  const at = [
    "--home",
    join(folder, "home"),
    // A named file has to exist.
    ...(existsSync(join(repo, "site.yaml")) ? ["--site", join(repo, "site.yaml")] : []),
    "--recipes",
    join(repo, "recipes"),
  ];
  const { exitCode, stdout, stderr } = await host.run([process.execPath, main, ...at, ...args], {
    cwd: folder,
    allow: [1, 2, 3, 4, 5, 70],
  });
  return { code: exitCode, stdout, stderr };
};
const git = (...args: string[]) =>
  host.run(["git", "-C", repo, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);

// One story, told in order.
describeWith(["git", "qemu-img", "ssh-keygen"], "the template commands", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-commands-"));
    repo = join(folder, "repo");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("begin in a repo that `tbuild init` makes, from which recipes can be planned", async () => {
    const made = await tbuild("init", repo);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining("a recipe repo") });
    expect((await readdir(repo)).sort()).toEqual(
      [
        ".git",
        ".gitattributes",
        ".github",
        ".gitignore",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        "README.md",
        "allowed_signers",
        "buildbot",
        "kickstart",
        "recipes",
        "site.example.yaml",
      ].sort(),
    );
    await git("commit", "-qm", "start");
    expect((await git("status", "--porcelain")).stdout).toBe("");
    const plan = await tbuild("plan", "ol6-grid", "--rehearse");
    expect(plan.stdout).toMatch(/run +install-guest/);
    expect(await tbuild("init", repo)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("already contains recipes"),
    });
    expect((await tbuild("template", "list")).stdout).toBe("no templates yet\n");
  });

  it("show published versions, their signatures, and versions that are only recorded", async () => {
    const image = join(folder, "disk.img");
    await using disk = await open(image, "w");
    await disk.truncate(64 * 2 ** 20);
    await disk.write(Buffer.alloc(2 ** 20, "t"), 0, undefined, 2 ** 20);
    const key = join(folder, "key");
    await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
    await writeFile(join(repo, "site.yaml"), `signingKey: ${key}\n`);
    await writeFile(join(repo, "allowed_signers"), `me@example.com ${await readFile(`${key}.pub`, "utf8")}`);
    const store = folderStore(host, join(folder, "home/store"));
    const records = recordsIn(host, repo, key);
    const stored = await store.putDisk(image, "System");
    const [first, second] = [
      sampleManifest(stored),
      sampleManifest(stored, { version: "1.0.1", domainType: "XEN_HVM" }),
    ];
    for (const manifest of [first, second]) {
      await store.publish(manifest);
      await records.put(manifest);
    }
    await records.put(sampleManifest(stored, { name: "ol6-elsewhere", summary: "\u001b[31mred" }));
    const { stdout } = await tbuild("template", "list");
    expect(stdout).toMatch(/^VERSION +CHANNEL, TAG +RELEASE +DOMAIN TYPE +DATA +OWN +SEALED +AGE$/m);
    expect(stdout).toMatch(/^ol6-sample@1\.0\.1 +- +Oracle Linux 6\.10 +XEN_HVM +1\.0 MiB +0 B/m);
    expect(stdout).toMatch(/^ol6-elsewhere@1\.0\.0 .*recorded, but its disk is missing from this store$/m);
    const shown = await tbuild("template", "show", "ol6-sample@1.0.0");
    expect(shown.stdout).toMatch(/^signature +good, by me@example\.com$/m);
    expect(JSON.parse((await tbuild("template", "show", "ol6-sample@1.0.0", "--json")).stdout)).toEqual(
      first,
    );
    expect((await tbuild("template", "show", "ol6-elsewhere")).stdout).toMatch(/^summary +\\x1b\[31mred$/m);
    expect((await tbuild("template", "log", "ol6-sample")).stdout).toMatch(
      /● ol6-sample@1\.0\.1 .*since 1\.0\.0: the template 1\n● ol6-sample@1\.0\.0/,
    );
    expect((await tbuild("template", "show", "nothing")).code).toBe(2);
  });

  it("compare versions in text, as JSON and as a page", async () => {
    const words = await tbuild("template", "diff", "ol6-sample");
    expect(words.stdout).toContain("~ domain type: XEN_PVM → XEN_HVM");
    expect(words.stdout).toContain("Version: 2.0.0 (major: domain type XEN_PVM → XEN_HVM)");
    const json = JSON.parse(
      (await tbuild("template", "diff", "ol6-sample@1.0.0", "ol6-sample@1.0.1", "--json")).stdout,
    );
    expect(json.proposal).toMatchObject({ level: "major", version: "2.0.0" });
    expect((await tbuild("template", "diff", "ol6-sample", "--html")).stdout).toContain(
      "<h1>ol6-sample 1.0.0 → 1.0.1</h1>",
    );
    expect(await tbuild("template", "diff", "ol6-elsewhere")).toMatchObject({ code: 2 });
    expect(JSON.parse((await tbuild("template", "sbom", "ol6-sample")).stdout)).toMatchObject({
      bomFormat: "CycloneDX",
    });
  });

  it("manage channels and tags, revoke, and roll back", async () => {
    expect((await tbuild("template", "promote", "ol6-sample@1.0.0", "stable")).stdout).toBe(
      "ol6-sample: stable now points at 1.0.0; commit it\n",
    );
    await tbuild("template", "promote", "ol6-sample@1.0.1", "stable");
    await tbuild("template", "tag", "ol6-sample@1.0.0", "audited");
    const revoked = await tbuild("template", "revoke", "ol6-sample@stable", "--reason", "it hangs");
    expect(revoked.stderr).toContain("tbuild template rollback ol6-sample stable");
    expect((await tbuild("template", "rollback", "ol6-sample", "stable")).stdout).toContain(
      "points at 1.0.0 again",
    );
    const { stdout } = await tbuild("template", "list");
    expect(stdout).toMatch(/^ol6-sample@1\.0\.0 +stable audited /m);
    expect(stdout).toMatch(/^ol6-sample@1\.0\.1 .*revoked: it hangs; untried$/m);
    expect((await tbuild("template", "show", "ol6-sample@1.0.1")).stdout).toMatch(
      /^! ol6-sample@1\.0\.1 was revoked/,
    );
    expect((await tbuild("template", "show", "ol6-sample")).stdout).toMatch(
      /^! ol6-sample@1\.0\.1 is newer and was revoked \(it hangs\); this is 1\.0\.0\n/,
    );
    expect((await tbuild("template", "revoke", "ol6-sample@1.0.1")).code).toBe(2);
    expect((await tbuild("template", "promote", "ol6-sample@1.0.0", "nightly")).code).toBe(2);
  });

  it("write a version into one file and a catalog into a folder, and overwrite no other files", async () => {
    const file = join(folder, "sample.tbuild");
    expect(await tbuild("template", "export", "ol6-sample@stable", "-o", file)).toMatchObject({ code: 0 });
    expect(await tbuild("template", "export", "ol6-sample@stable", "-o", file)).toMatchObject({ code: 2 });
    expect(await tbuild("template", "export", "ol6-elsewhere")).toMatchObject({ code: 3 });
    const other = ["--home", join(folder, "other"), "--recipes", join(folder, "other/repo/recipes")];
    const taken = await tbuild("template", "import", file, ...other);
    expect(taken.stdout).toMatch(
      /^ol6-sample@1\.0\.0: added to the store, signature: valid, but allowed_signers does not contain the key SHA256:/,
    );
    expect((await tbuild("template", "verify", ...other)).code).toBe(0);
    expect((await tbuild("template", "import", main, ...other)).code).toBe(4);
    const out = join(folder, "site");
    expect((await tbuild("template", "site", out)).code).toBe(0);
    expect((await tbuild("template", "site", out)).code).toBe(0);
    expect((await readdir(join(out, "ol6-sample"))).sort()).toEqual(
      [
        "1.0.0.cdx.json.gz",
        "1.0.0.html",
        "1.0.0.json.gz",
        "1.0.1.cdx.json.gz",
        "1.0.1.html",
        "1.0.1.json.gz",
        "1.0.0..1.0.1.html",
        "newest.html",
        "stable.html",
      ].sort(),
    );
    await mkdir(join(folder, "mine"));
    await writeFile(join(folder, "mine/index.html"), "mine");
    expect((await tbuild("template", "site", join(folder, "mine"))).code).toBe(2);
    expect(await readFile(join(folder, "mine/index.html"), "utf8")).toBe("mine");
  });

  it.each<[number, string, string[]]>([
    [2, "../x: is not a valid template name", ["template", "rollback", "../x", "stable"]],
    [3, "there is no such folder", ["template", "export", "ol6-sample@1.0.0", "-o", "/nonexistent/x"]],
    [2, "/tmp: contains neither an .ovf nor a vm.cfg", ["template", "import", "/tmp"]],
    [3, "/etc/passwd: a file or folder of that name exists", ["template", "site", "/etc/passwd"]],
    [3, "/proc/x: there is no such folder", ["init", "/proc/x"]],
    [2, "/tmp: is a folder, not an image file", ["whois", "/tmp"]],
  ])("exit with %i and %j if nothing can be done", async (code, words, args) => {
    expect(await tbuild(...args)).toMatchObject({ code, stderr: expect.stringContaining(words) });
  });

  it("leave a repo that two people can merge", async () => {
    await git("add", "-A");
    await git("commit", "-qm", "mine");
    const status = await git("status", "--porcelain");
    expect(status.stdout).toBe("");
    expect((await git("ls-files", "templates")).stdout.trim().split("\n")).toEqual([
      "templates/ol6-elsewhere/1.0.0.json",
      "templates/ol6-elsewhere/1.0.0.json.sig",
      "templates/ol6-sample/1.0.0.json",
      "templates/ol6-sample/1.0.0.json.sig",
      "templates/ol6-sample/1.0.1.json",
      "templates/ol6-sample/1.0.1.json.sig",
      "templates/ol6-sample/1.0.1.revoked.json",
      "templates/ol6-sample/channels/stable.json",
      "templates/ol6-sample/tags/audited.json",
    ]);
  });

  it("accept git's merge of two people's work: their separate changes, and one of two versions with the same number", async () => {
    const theirs = join(folder, "theirs");
    await host.run(["git", "clone", "-q", repo, theirs]);
    const [store, disk] = [
      folderStore(host, join(folder, "home/store")),
      (await recordsIn(host, repo).list())[0]?.disks[0],
    ];
    if (!disk) throw new Error("no disk was recorded");
    const version = (number: string, summary: string) => sampleManifest(disk, { version: number, summary });
    for (const one of [version("1.1.0", "theirs"), version("2.0.0", "theirs")])
      await recordsIn(host, theirs).put(one);
    await store.publish(version("2.0.0", "ours"));
    await recordsIn(host, repo).put(version("2.0.0", "ours"));
    const identity = ["-c", "user.name=they", "-c", "user.email=they@example.com"];
    for (const place of [theirs, repo]) {
      await host.run(["git", "-C", place, "add", "-A"]);
      await host.run(["git", "-C", place, ...identity, "commit", "-qm", "built"]);
    }
    const pulling = ["git", "-C", repo, ...identity, "pull", "-q", "--no-rebase", theirs, "HEAD"];
    expect((await host.run(pulling, { allow: [1] })).exitCode).toBe(1);
    expect((await git("diff", "--name-only", "--diff-filter=U")).stdout).toBe(
      "templates/ol6-sample/2.0.0.json\n",
    );
    expect((await tbuild("template", "list")).stderr).toContain("It contains a git merge conflict");

    await git("checkout", "-q", "--theirs", "templates/ol6-sample/2.0.0.json");
    await git("add", "-A");
    await git("commit", "-qm", "merged");
    const { stdout } = await tbuild("template", "list");
    expect(stdout).toMatch(/^ol6-sample@1\.1\.0 .*recorded, but its disk is missing from this store$/m);
    expect(stdout).toMatch(
      /^ol6-sample@2\.0\.0 .*the recipe repo records a different version with this number$/m,
    );
    expect((await tbuild("template", "show", "ol6-sample@2.0.0")).stderr).toContain(
      "tbuild template prune --apply",
    );
    expect((await tbuild("template", "prune", "--apply")).stdout).toMatch(
      /^removed +template ol6-sample@2\.0\.0/m,
    );
    expect((await tbuild("template", "show", "ol6-sample@2.0.0")).stdout).toMatch(/^summary +theirs$/m);
  });
});
