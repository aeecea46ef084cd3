import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { packages } from "../../src/host/programs.ts";
import { describeWith, missing, titled } from "../fakes/missing.ts";

const repository = resolve(import.meta.dirname, "../..");

describeWith(["npm", "dpkg-shlibdeps", "lintian"], "the Debian package", () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-deb-test-"));
    file = ran(process.execPath, [join(repository, ".ci/deb.mjs"), folder]).trim();
    ran("dpkg-deb", ["--extract", file, join(folder, "root")]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("has no error that lintian reports", () => {
    const { status, stdout } = spawnSync("lintian", ["--fail-on", "error", "--allow-root", file], {
      encoding: "utf8",
    });
    expect(stdout.split("\n").filter((line) => line.startsWith("E:"))).toEqual([]);
    expect(status).toBe(0);
  });

  it("depends on node and on each package that a build needs, and suggests the others", () => {
    const names = (field: string) =>
      ran("dpkg-deb", ["--field", file, field])
        .trim()
        .split(", ")
        .map((one) => one.split(" ")[0]);
    expect(names("Depends")).toEqual(
      expect.arrayContaining(["libc6", ...packages.filter((one) => one.required).map(({ name }) => name)]),
    );
    expect(ran("dpkg-deb", ["--field", file, "Depends"])).toContain("nodejs (>= 20.18.1)");
    expect(names("Suggests")).toEqual(packages.filter((one) => !one.required).map(({ name }) => name));
  });

  it("runs from its folder, with recipes, and has neither tests nor code for other machines", async () => {
    const tbuild = join(folder, "root/usr/bin/tbuild");
    expect((await readFile(tbuild, "utf8")).split("\n")[0]).toBe("#!/usr/bin/node");
    const home = { cwd: folder, env: { PATH: "/usr/bin:/bin" } };
    const recipes = spawnSync(process.execPath, [tbuild, "recipe", "--list"], { encoding: "utf8", ...home });
    expect(recipes.stdout.split("\n")).toEqual(expect.arrayContaining(["ol5-base", "ol9-base"]));
    const files = ran("dpkg-deb", ["--contents", file]);
    expect(files).not.toMatch(/prebuilds\/\S*[^/]$|\.tsbuildinfo|\/tbuild\/test\//m);
    for (const path of ["man/man1/tbuild-repair.1.gz", "bash-completion/completions/tbuild"])
      expect((await stat(join(folder, "root/usr/share", path))).isFile(), path).toBe(true);
  });

  const lacking =
    process.env.TBUILD_SLOW === "1" ? missing("mmdebstrap", "root") : "TBUILD_SLOW=1 is not set";
  it.skipIf(lacking !== undefined)(
    titled("is installed by apt in a new Debian, used there, and removed", lacking),
    () => {
      expect(ran(join(repository, ".ci/check-deb.sh"), [file])).toContain("installed, used and removed");
    },
    1_200_000,
  );
});

function ran(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, [...args], { encoding: "utf8", maxBuffer: 2 ** 26 });
  expect(status, `${stdout}${stderr}`).toBe(0);
  return stdout;
}
