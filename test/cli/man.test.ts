import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { manPages } from "../../src/cli/man/pages.ts";
import { makeProgram } from "../../src/cli/program.ts";
import { topics } from "../../src/cli/topics.ts";
import { describeWith } from "../fakes/missing.ts";

const day = new Date("2026-01-02T03:04:05Z");
const pages = manPages(makeProgram(), "1.2.3", day);

describeWith(["man", "mandoc"], "the manual pages", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tbuild-man-"));
    for (const { file, text } of pages) writeFileSync(join(folder, file), text);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A page as man shows it on a terminal wide enough for every line. */
  function shown(file: string): string {
    const { stdout, stderr } = spawnSync("man", ["--warnings", "-l", join(folder, file)], {
      encoding: "utf8",
      env: { ...process.env, MANWIDTH: "400", MANPAGER: "cat", MAN_KEEP_FORMATTING: "", LC_ALL: "C.UTF-8" },
    });
    expect(stderr).toBe("");
    return stdout;
  }

  it("have no fault that mandoc reports", () => {
    const { stdout } = spawnSync(
      "mandoc",
      ["-T", "lint", "-W", "warning", ...pages.map(({ file }) => file)],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    expect(stdout).toBe("");
  });

  it.each(everyCommand(makeProgram()))("show what the help of $name shows", ({ command, name }) => {
    const page = oneSpace(shown(`${name}.1`));
    const help = command.createHelp();
    for (const option of help.visibleOptions(command)) {
      expect(page).toContain(oneSpace(help.optionTerm(option)));
      expect(page).toContain(oneSpace(help.optionDescription(option)));
    }
    for (const argument of help.visibleArguments(command))
      expect(page).toContain(oneSpace(help.argumentDescription(argument)));
    for (const below of command.commands) {
      expect(page).toContain(oneSpace(help.subcommandDescription(below)));
      expect(page).toContain(`${name}-${below.name()}(1)`);
    }
    expect(page).toContain(oneSpace(help.commandUsage(command)));
    expect(page).toContain("tbuild 1.2.3 2026-01-02");
  });

  it("have the help topics in tbuild(1), and examples as they are typed", () => {
    const page = oneSpace(shown("tbuild.1"));
    for (const { rows, note } of topics)
      for (const words of [...rows.flat(), note ?? ""]) expect(page).toContain(oneSpace(words));
    expect(shown("tbuild-seal.1")).toContain(
      "\n           tbuild seal --keep /root/.ssh/authorized_keys System.img\n",
    );
  });

  it("print what roff would read as a request or an escape", () => {
    const program = new Command("tbuild");
    program
      .command("odd")
      .description('it\'s "a\\b" `c` ~d ^e – f…')
      .addHelpText("after", "\n.hidden is a file\n\nExample:\n  'quoted' \\fB -- .x");
    const page = manPages(program, "1.0.0", day)[1];
    writeFileSync(join(folder, "odd.1"), page?.text ?? "");
    const text = shown("odd.1");
    expect(text).toContain('odd - it\'s "a\\b" `c` ~d ^e – f…');
    expect(text).toContain(".hidden is a file");
    expect(text).toContain("'quoted' \\fB -- .x");
  });
});

describe("package.json", () => {
  it("lists every manual page, for npm to install", () => {
    const { man } = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8")) as {
      man: string[];
    };
    expect(man).toEqual(pages.map(({ file }) => `dist/man/${file}`).sort());
  });
});

function everyCommand(command: Command, above = ""): { command: Command; name: string }[] {
  const name = `${above}${command.name()}`;
  return [{ command, name }, ...command.commands.flatMap((below) => everyCommand(below, `${name}-`))];
}

function oneSpace(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
