import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { table, tableRows } from "../../src/cli/table.ts";

describe("a table", () => {
  it("aligns its columns by their width on a terminal", () => {
    expect(table([["a", "b", "c"], ["語語", "\u001b[31mred\u001b[39m", "d"], ["é"]], 80)).toBe(
      "a     b    c\n語語  \u001b[31mred\u001b[39m  d\né",
    );
  });

  it.each([35, 40, 80, 120])("wraps its last column beside the others at a width of %i", (width) => {
    const words = "make the rehearsal medium (tbuild's code changed)";
    const lines = table(
      [
        ["fetch", words],
        ["x", "short"],
      ],
      width,
    ).split("\n");
    expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThanOrEqual(width);
    expect(lines.map((line) => line.slice(7)).join(" ")).toBe(`${words} short`);
    expect(lines.slice(1, -1).every((line) => line.startsWith("       "))).toBe(true);
  });

  it("does not split a long word, or wrap the last column without room for it", () => {
    const path = `/OVS/Repositories/${"0".repeat(32)}/VirtualDisks/System.img`;
    expect(table([["image", `kept in ${path}`]], 40)).toBe(`image  kept in\n       ${path}`);
    const narrow = [["a".repeat(30), "some more words than fit"]];
    expect(table(narrow, 40)).toBe(narrow[0]?.join("  "));
  });

  it("wraps nothing without a terminal, and returns a text for each row", () => {
    const rows = [
      ["a", "word ".repeat(100).trim()],
      ["b", "c"],
    ];
    expect(table(rows).split("\n")).toHaveLength(2);
    expect(tableRows(rows, 40)).toHaveLength(2);
  });
});
