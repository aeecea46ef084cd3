import { expect, it } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";

it.each([
  [["template", "promote", "ol6-grid", "candidate"], "--allow-rehearsal", "--although-rehearsal"],
  [["seal", "System.img"], "--allow-unmounted", "--although-unmounted"],
])("%j accepts %s, and its hidden former name %s", (args, flag, former) => {
  expect(optionsOf([...args, former])).toMatchObject(optionsOf([...args, flag]));
  expect(optionsOf([...args, former])[nameOf(flag)]).toBe(true);
  expect(optionsOf(args)[nameOf(flag)]).toBeUndefined();
  expect(commandOf(makeProgram(), args).helpInformation()).toContain(flag);
  expect(commandOf(makeProgram(), args).helpInformation()).not.toContain(former);
});

function nameOf(flag: string): string {
  return flag.slice(2).replace(/-(.)/g, (_all, letter: string) => letter.toUpperCase());
}

type Program = ReturnType<typeof makeProgram>;

function commandOf(program: Program, args: readonly string[]): Program {
  const [name] = args;
  const child = program.commands.find((one) => one.name() === name);
  return child ? commandOf(child, args.slice(1)) : program;
}

/** The options that the command is given, without running it. */
function optionsOf(args: readonly string[]): Record<string, unknown> {
  const program = makeProgram();
  const command = commandOf(program, args);
  command.action(() => {});
  program.parse(args, { from: "user" });
  return command.opts();
}
