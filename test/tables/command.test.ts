import { describe, expect, it, vi } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";

const ran: unknown[][] = [];

// The one entry that a new command needs; its file has an export `run`.
vi.mock(import("../../src/cli/image-commands.ts"), async (original) => {
  const { addImageCommands } = await original();
  const { lazily } = await import("../../src/cli/lazily.ts");
  return {
    addImageCommands(program) {
      addImageCommands(program);
      program
        .command("polish")
        .description("polish an image, for this test")
        .argument("<image>", "a disk image")
        .option("--wax <kind>", "the wax")
        .action(
          lazily(async () => ({ run: async (args, command) => void ran.push([...args, command.opts()]) })),
        );
    },
  };
});

async function printed(...argv: string[]): Promise<string> {
  let out = "";
  const streams = [process.stdout, process.stderr] as const;
  const spies = streams.map((stream) =>
    vi.spyOn(stream, "write").mockImplementation((text) => {
      out += text;
      return true;
    }),
  );
  await run(argv).finally(() => {
    for (const spy of spies) spy.mockRestore();
  });
  return out;
}

describe("a command with an entry in a list of commands", () => {
  it("runs the file that it names, with its arguments and options", async () => {
    await printed("polish", "System.img", "--wax", "bees");
    expect(ran).toEqual([["System.img", { wax: "bees" }]]);
  });

  it("is in the help of tbuild, and has its own", async () => {
    expect(makeProgram().helpInformation()).toMatch(/polish .*polish an image, for this test/);
    expect(await printed("help", "polish")).toContain("--wax <kind>");
    expect(await printed("help", "polsih")).toContain('did you mean "polish"?');
  });

  it("is completed by every shell, with its options", async () => {
    for (const shell of ["bash", "zsh", "fish"])
      expect(await printed("completion", shell), shell).toContain("polish");
    expect(await printed("completion", "bash")).toContain("--wax");
  });

  it("points at its help after a wrong usage", async () => {
    expect(await printed("polish")).toContain("tbuild polish --help");
  });
});
