import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { betweenPaths, listOption } from "../../src/cli/list-option.ts";
import { makeProgram } from "../../src/cli/program.ts";

function parsed(argv: string[]): { operands: string[]; given: Record<string, unknown> } {
  const command = new Command()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .argument("[image...]")
    .addOption(listOption("--skip <operations>", "skip these"))
    .addOption(listOption("--keep <paths>", "keep these", { separator: betweenPaths }))
    .addOption(listOption("--format <formats>", "pack these", { choices: ["ova", "qcow2"] }))
    .parse(argv, { from: "user" });
  return { operands: command.args, given: command.opts() };
}

const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

describe("an option with several values", () => {
  it.each([
    [["--skip", "logs", "a.img"], { skip: ["logs"] }],
    [["--skip", "logs,hostname", "a.img"], { skip: ["logs", "hostname"] }],
    [["a.img", "--skip", "logs", "--skip=hostname"], { skip: ["logs", "hostname"] }],
    [["--keep", "/a,b,/c", "--keep", "/d", "a.img"], { keep: ["/a,b", "/c", "/d"] }],
    [["--format", "ova,qcow2", "a.img"], { format: ["ova", "qcow2"] }],
    [["a.img"], {}],
  ])("%j leaves the operand alone", (argv, given) => {
    expect(parsed(argv)).toEqual({ operands: ["a.img"], given });
  });

  it("names the value that is not allowed", () => {
    expect(() => parsed(["--format", "ova,vhd"])).toThrow(
      /vhd is not allowed\. Allowed choices are ova, qcow2/,
    );
  });

  it("is the only kind: no option takes all words behind it", () => {
    const greedy = every(makeProgram()).flatMap((command) =>
      command.options
        .filter((option) => option.variadic)
        .map((option) => `${command.name()} ${option.flags}`),
    );
    expect(greedy).toEqual([]);
  });
});
