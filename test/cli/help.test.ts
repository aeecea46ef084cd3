import { resolve } from "node:path";
import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";
import { topicText } from "../../src/cli/topic-text.ts";
import { exitCodesMarkdown, topics } from "../../src/cli/topics.ts";
import { exitCodes, exitCodeWords, type Fault } from "../../src/errors.ts";
import { captured } from "../fakes/captured.ts";

const said = captured();

describe("the help of every command", () => {
  const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

  it("fits on 80 columns, but for commands to copy", () => {
    const long = every(makeProgram()).flatMap((command) => {
      let printed = "";
      const writeOut = (text: string) => {
        printed += text;
      };
      command.configureOutput({ writeOut, getOutHelpWidth: () => 80 }).outputHelp();
      return printed
        .split("\n")
        .filter((line) => line.length > 80 && !/^ {2}tbuild (?!.* {3})/.test(line))
        .map((line) => `${command.name()}: ${line}`);
    });
    expect(long).toEqual([]);
  });
});

describe("exit codes", () => {
  // After a change of the table: npx vitest run --project check test/cli/help.test.ts -u
  it("are documented in docs/exit-codes.md as the table has them", async () => {
    const docs = exitCodesMarkdown();
    await expect(docs).toMatchFileSnapshot(resolve(import.meta.dirname, "../../docs/exit-codes.md"));
    for (const [name, code] of Object.entries(exitCodes))
      expect(docs).toContain(`| ${code} | ${exitCodeWords[name as keyof typeof exitCodes][0]} |`);
  });

  it("are different, and fit a process", () => {
    const codes = Object.values(exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.every((code) => code >= 0 && code < 256)).toBe(true);
  });

  it("cover every fault", () => {
    const codes: Readonly<Record<Fault, number>> = { usage: 2, environment: 3, guest: 4, integrity: 5 };
    expect(exitCodes).toMatchObject(codes);
  });
});

describe("tbuild help", () => {
  it.each(topics)("prints the topic $name", async (topic) => {
    expect(await run(["help", topic.name])).toBe(0);
    expect(said.out).toBe(topicText(topic));
    for (const cell of topic.rows.flat()) expect(said.out).toContain(cell);
    expect(Math.max(...said.out.split("\n").map((line) => line.length))).toBeLessThan(110);
  });

  it("prints what a command prints with --help, of groups too", async () => {
    expect(await run(["help", "template", "push"])).toBe(0);
    const help = said.out;
    said.out = "";
    expect(await run(["template", "push", "--help"])).toBe(0);
    expect(said.out).toBe(help);
    expect(help).toContain("Example:");
  });

  it.each([
    [["help", "exit-code"], 'did you mean "exit-codes"?'],
    [["help", "template", "psuh"], 'did you mean "push"?'],
    [["help", "nothing-like-it"], "no such command or topic"],
  ])("%j is refused", async (args, words) => {
    expect(await run(args)).toBe(2);
    expect(said.err).toContain(words);
  });

  it("lists every topic in the help of tbuild itself", async () => {
    await run(["--help"]);
    for (const { name, summary } of topics) expect(said.out).toMatch(new RegExp(`${name} +${summary}`));
  });
});
