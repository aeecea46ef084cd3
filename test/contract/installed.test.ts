import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";

const repository = resolve(import.meta.dirname, "../..");

/** An ordinary user, who needs no entry in /etc/passwd. */
const user = 61_234;

describeWith(["npm", "root"], "tbuild, installed from its npm package, for an ordinary user", () => {
  let folder: string;
  let work: string;
  let released: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-installed-"));
    await chmod(folder, 0o755);
    const before = state();
    const dry = ran(process.execPath, [join(repository, ".ci/release.mjs"), "99.0.0", "--dry-run", folder]);
    expect(dry.code, dry.stderr).toBe(0);
    released = dry.stdout;
    expect(state()).toBe(before);
    work = join(folder, "home");
    await mkdir(work);
    await chown(work, user, user);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const tbuild = (...args: string[]) =>
    ran(join(folder, "check/prefix/bin/tbuild"), args, {
      cwd: work,
      uid: user,
      gid: user,
      // The PATH of a Debian login, without sbin.
      env: { PATH: `/usr/local/bin:/usr/bin:/bin:${resolve(process.execPath, "..")}`, HOME: work },
    });

  it("is what `make release` packs; its dry run tags and changes nothing, and shows the changelog", () => {
    expect(released).toMatch(/^## \[99\.0\.0\] - \d{4}-\d\d-\d\d\n\n\S/m);
    expect(released).toContain("would commit the changelog and the version, and tag v99.0.0");
    expect(released).toMatch(/tbuild-\S+\.tgz: installs and works/);
    const refused = ran(process.execPath, [join(repository, ".ci/release.mjs"), "soon"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("usage: release.mjs VERSION");
  });

  it("finds the package's recipes, kickstarts and modules from an empty folder", async () => {
    expect(tbuild("recipe", "--list").stdout.split("\n")).toEqual(
      expect.arrayContaining(["ol5-base", "ol6-grid", "ol9-base"]),
    );
    expect(tbuild("kickstart", "ol8-kvm", "--check")).toMatchObject({ code: 0 });
    expect(tbuild("plan", "ol6-grid", "--rehearse").stdout).toMatch(/inject grid/);
    expect(await readdir(work)).toEqual([]);
  });

  it("lets a recipe anywhere extend one of the package, and use its modules", async () => {
    await writeFile(join(work, "mine.yaml"), "extends: ol6-base\nname: mine\nmodules: [grid]\n");
    const { code, stdout, stderr } = tbuild("plan", "./mine.yaml", "--rehearse");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^mine-rehearsal-/);
    await rm(join(work, "mine.yaml"));
  });

  it("plans a rehearsal like another installation of the same code, so they share checkpoints", async () => {
    await cp(join(repository, "recipes"), join(work, "copied/recipes"), { recursive: true });
    await cp(join(repository, "kickstart"), join(work, "copied/kickstart"), { recursive: true });
    const [shipped = ""] = tbuild("plan", "ol6-grid", "--rehearse").stdout.split("\n");
    expect(shipped).toMatch(/^ol6-grid-rehearsal-[\da-f]{6}$/);
    expect(tbuild("--recipes", "copied/recipes", "plan", "ol6-grid", "--rehearse").stdout).toContain(shipped);
    await rm(join(work, "copied"), { recursive: true });
  });

  it("knows in its bundle where each module is, for the digests of steps and for files beside modules", async () => {
    const dist = join(folder, "check/prefix/lib/node_modules/tbuild/dist");
    const addresses = new Set<string>();
    for (const name of await readdir(join(dist, "bin"))) {
      const text = await readFile(join(dist, "bin", name), "utf8");
      for (const [, path = ""] of text.matchAll(/new URL\("([^"]+)",import\.meta\.url\)\.href/g)) {
        expect((await stat(join(dist, "bin", path))).isFile(), path).toBe(true);
        addresses.add(path.replace("../", ""));
      }
    }
    const steps = (await readdir(join(dist, "build/steps"))).map((name) => `build/steps/${name}`);
    expect([...addresses]).toEqual(expect.arrayContaining(steps));
  });

  it("never says make, and names the Debian package of a program that is missing", () => {
    const bare = (...args: string[]) =>
      ran(
        process.execPath,
        [join(folder, "check/prefix/lib/node_modules/tbuild/dist/bin/main.js"), ...args],
        {
          cwd: work,
          env: { PATH: "/nowhere", HOME: work },
        },
      );
    const seal = bare("media", "make", "ol6-grid", "--rehearse");
    expect(seal.code).toBe(3);
    const doctor = bare("doctor");
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/-- +package qemu-system-x86 .*apt-get install qemu-system-x86/);
    const setup = bare("setup");
    expect(setup.code).toBe(1);
    expect(setup.stdout).toMatch(/^qemu-utils +required +disk images$/m);
    for (const { stdout, stderr } of [seal, doctor, setup])
      expect(`${stdout}${stderr}`).not.toMatch(/\bmake (setup|demo|build)/);
  });
});

/** The files that a release would change. */
function state(): string {
  const { stdout } = ran("git", ["tag", "--list"], { cwd: repository });
  const files = ["CHANGELOG.md", "package.json", "package-lock.json"];
  return [stdout, ...files.map((file) => readFileSync(join(repository, file), "utf8"))].join("\n");
}

function ran(command: string, args: readonly string[], options: Parameters<typeof spawnSync>[2] = {}) {
  const { status, stdout, stderr } = spawnSync(command, [...args], { encoding: "utf8", ...options });
  return { code: status, stdout: String(stdout), stderr: String(stderr) };
}
