import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";

const main = join(import.meta.dirname, "../../dist/bin/main.js");

// The first step of a rehearsal makes the medium. It fails immediately if a file is in the place of its folder.
describeWith(["script", "qemu-system-x86_64"], "a build asks on the terminal", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-questions-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs a rehearsal in a terminal, and answers each question with the next of `answers`. */
  async function asked(option: string, answers: readonly string[]): Promise<{ code: unknown; said: string }> {
    const line = `${process.execPath} ${main} recipe ol6-base --rehearse ${option}`;
    const child = spawn("script", ["-qec", line, "/dev/null"], { cwd: folder });
    let said = "";
    let answered = 0;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const questions = said.split(/(?:ends the build: |lean up and end\? )/).length - 1;
      if (questions > answered && answered < answers.length) child.stdin.write(answers[answered++]);
    });
    const [code] = await once(child, "exit");
    return { code, said };
  }
  const failingMedium = async () => {
    await mkdir(join(folder, ".tbuild"));
    await writeFile(join(folder, ".tbuild/media"), "");
  };

  it("before each step with --debug; q and Ctrl-C end it before the step", async () => {
    for (const answer of ["q\n", "\u0003"]) {
      const { code, said } = await asked("--debug", [answer]);
      expect(said).toMatch(/next is fetch-medium: make the rehearsal medium.*\s+the guest has no disk yet/);
      expect(said).toMatch(/interrupted; finished steps are cached; the same command continues/);
      expect(code).toBe(130);
    }
  });

  it("what to do after a failure with --on-error ask, until it gets an answer that it knows", async () => {
    await failingMedium();
    const { code, said } = await asked("--on-error ask", ["x\n", "r\n", "c\n"]);
    expect(said).toContain("fetch-medium failed. Examine it from another terminal:");
    expect(said).toMatch(/fetch-medium: again/);
    expect(said.match(/lean up and end\?/g)?.length).toBe(3);
    expect(code).toBe(3);
  });

  it("nothing with --on-error retry: it tries the step once more", async () => {
    await failingMedium();
    const child = spawn(process.execPath, [main, "recipe", "ol6-base", "--rehearse", "--on-error", "retry"], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [code] = await once(child, "exit");
    expect(code).toBe(3);
    expect(said.match(/1\/11 fetch-medium: make/g)?.length).toBe(2);
  });
});
