import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { describeWith } from "../fakes/missing.ts";

const host = localHost();
const repository = resolve(import.meta.dirname, "../..");
const main = join(repository, "dist/bin/main.js");
const gitlab = join(repository, "node_modules/.bin/gitlab-ci-local");

/** A `tbuild init` repo with one changed recipe, and two that start from each other. */
describeWith(["git", "jq", "rsync"], "the examples for CI systems", () => {
  let root = "";
  let before = "";
  const file = (...names: string[]) => join(root, "repo", ...names);
  const git = (...args: string[]) =>
    host.run(["git", "-C", file(), "-c", "user.name=a", "-c", "user.email=a@example", ...args]);
  const log = () => readFile(join(root, "log"), "utf8").catch(() => "");
  /** Runs a pipeline with tbuild on the PATH. Builds are only written down. */
  const runGitlab = (...args: string[]) =>
    host.run([process.execPath, gitlab, ...args], {
      cwd: file(),
      env: { PATH: [join(root, "bin"), process.env.PATH].join(delimiter), CI_COMMIT_BEFORE_SHA: before },
      allow: [1],
    });
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "tbuild-ci-"));
    await host.run([process.execPath, main, "init", file()]);
    await git("remote", "add", "origin", "git@gitlab.example.com:vm/templates.git");
    await git("commit", "-qm", "start");
    before = (await git("rev-parse", "HEAD")).stdout.trim();
    await writeFile(file("recipes/web.yaml"), "extends: ol8-base\nname: web\nfrom: ol8-base\n");
    await writeFile(file("recipes/shop.yaml"), "extends: ol8-base\nname: shop\nfrom: web\n");
    await writeFile(file("recipes/db.yaml"), "extends: ol6-base\nname: db\n");
    await git("add", "-A");
    await git("commit", "-qm", "more");
    await mkdir(join(root, "bin"));
    const script = `#!/bin/sh
case "$*" in
*--rehearse) echo "$*" >> ${join(root, "log")} ;;
*) exec ${process.execPath} ${main} "$@" ;;
esac
`;
    await writeFile(join(root, "bin/tbuild"), script);
    await chmod(join(root, "bin/tbuild"), 0o755);
  });
  afterAll(() => rm(root, { recursive: true }));

  it("are correct for GitHub's own parser, which finds a mistake", async () => {
    const name = ".github/workflows/recipes.yml";
    const text = await readFile(file(name), "utf8");
    expect(await faultsIn(name, text)).toEqual([]);
    expect(await faultsIn(name, text.replace("runs-on:", "run-on:"))).not.toEqual([]);
    expect(await faultsIn(name, text.replace("needs: changed", "needs: change"))).not.toEqual([]);
  });

  it("are correct for GitLab's schema, and rehearse each recipe after the one that it starts from", async () => {
    const checked = await runGitlab("--list-json");
    expect(checked.exitCode, checked.stdout + checked.stderr).toBe(0);
    const ran = await runGitlab("check every recipe", "find what changed");
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain("shop: valid; build web first");
    const child = await runGitlab("--file", "changed.yml");
    expect(child.exitCode, child.stdout + child.stderr).toBe(0);
    const built = (await log()).trim().split("\n");
    expect([...built].sort()).toEqual([
      "recipe db --with-bases --rehearse",
      "recipe shop --with-bases --rehearse",
      "recipe web --with-bases --rehearse",
    ]);
    expect(built.indexOf("recipe web --with-bases --rehearse")).toBeLessThan(
      built.indexOf("recipe shop --with-bases --rehearse"),
    );
  });

  it("are whole for GitLab even if nothing changed", async () => {
    before = (await git("rev-parse", "HEAD")).stdout.trim();
    await runGitlab("find what changed");
    const child = await runGitlab("--file", "changed.yml", "--list");
    expect(child.exitCode, child.stdout + child.stderr).toBe(0);
    expect(child.stdout).toContain("nothing changed");
  });

  it("run commands that tbuild knows in Jenkins", async () => {
    const text = await readFile(file("Jenkinsfile"), "utf8");
    const commands = [...text.matchAll(/(?:sh |script: )['"](tbuild [^'"]+)['"]/g)].map(
      ([, line = ""]) => line,
    );
    expect(commands).toHaveLength(3);
    for (const line of commands) {
      const words = line
        .replace(/\$\{before\}/, before)
        .replace(/\$\{one.recipe\}/, "web")
        .split(" ")
        .slice(1);
      const ran = await host.run([join(root, "bin/tbuild"), ...words], { cwd: file() });
      expect(ran.exitCode, line).toBe(0);
    }
  });
});

async function faultsIn(name: string, content: string): Promise<string[]> {
  const parsed = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  if (!parsed.value) return parsed.context.errors.getErrors().map((error) => error.message);
  await convertWorkflowTemplate(parsed.context, parsed.value);
  return parsed.context.errors.getErrors().map((error) => error.message);
}
