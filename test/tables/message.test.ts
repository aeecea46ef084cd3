import { describe, expect, it, vi } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";
import { captured } from "../fakes/captured.ts";

// The one entry that a new form needs; the names are those of the entries.
vi.mock(import("../../src/firstboot/message-forms.ts"), async (original) => {
  const { messageForms } = await original();
  const pigeon = { summary: "a strip for a pigeon, for this test", write: () => "" };
  const forms = { ...messageForms, pigeon };
  return { messageForms: forms, messageFormNames: Object.keys(forms) as never };
});

const said = captured();

describe("a form of messages with an entry in the table", () => {
  it("is in the help of the command that writes them, with its summary", () => {
    const message = makeProgram().commands.find((one) => one.name() === "message");
    expect(message?.helpInformation()).toContain('"pigeon"');
  });

  it("is explained by the help, completed by a shell, and named where another is not known", async () => {
    expect(await run(["help", "message"])).toBe(0);
    expect(said.out).toMatch(/^ +pigeon +a strip for a pigeon, for this test$/m);
    expect(await run(["completion", "bash"])).toBe(0);
    expect(said.out).toContain("pigeon");
    expect(await run(["message", "ol6-grid", "--as", "pigoen"])).toBe(2);
    expect(said.err).toContain("pigeon");
  });
});
