import { describe, expect, it, vi } from "vitest";
import { run } from "../../src/cli/run.ts";
import { applyAll, auditAll, type Operation } from "../../src/guest/operation.ts";
import { sealOperations, sealParts } from "../../src/guest/seal/index.ts";
import { sealingReference } from "../../src/guest/seal/sealing-reference.ts";
import { rules } from "../../src/recipe/rules.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

// The one line that a new operation needs.
vi.mock(import("../../src/guest/seal/table.ts"), async (original) => {
  const { sealTable } = await original();
  const badges: Operation = {
    name: "badges",
    summary: "Remove badges, for this test",
    needs: "files",
    pending: async (tree) => ((await tree.stat("/etc/badge")) ? ["/etc/badge"] : []),
    apply: (tree) => tree.remove("/etc/badge"),
  };
  return { sealTable: [...sealTable, badges] };
});

describe("a seal operation with a line in the table", () => {
  it("is applied and checked by a seal, and can be skipped or chosen", async () => {
    const tree = memoryTree({ "/etc/badge": "x" });
    expect(sealOperations().at(-1)?.name).toBe("badges");
    expect(sealOperations({ skip: ["badges"] }).map(({ name }) => name)).not.toContain("badges");
    const only = sealOperations({ only: ["badges"] });
    expect(await auditAll(tree, only)).toEqual([{ name: "badges", done: ["/etc/badge"] }]);
    await applyAll(tree, only);
    expect(await auditAll(tree, only)).toEqual([]);
  });

  it("is listed by the command and in the documentation", async () => {
    let out = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      out += text;
      return true;
    });
    expect(await run(["seal", "--list"])).toBe(0);
    write.mockRestore();
    expect(out).toMatch(/^badges +Remove badges, for this test$/m);
    expect(sealingReference(sealParts)).toContain("Remove badges, for this test");
  });

  it("is known to recipes", async () => {
    const problems = async (name: string) => {
      const found: string[] = [];
      const context = { folder: "/", moduleFolders: [], standing: () => "", fileOf: () => undefined };
      for (const rule of rules)
        await rule(
          { seal: { how: "offline", skip: [name], keep: [] } },
          { ...context, problem: (_, text) => found.push(text) },
        );
      return found;
    };
    expect(await problems("badges")).toEqual([]);
    expect(await problems("badgse")).toEqual(['no operation is named "badgse"; did you mean "badges"?']);
  });
});
