import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { amount } from "../../src/io/units.ts";

const src = resolve(import.meta.dirname, "../../src");

describe("an amount", () => {
  it("is in the singular for one", () => {
    expect([0, 1, 2].map((count) => amount(count, "mark"))).toEqual(["0 marks", "1 mark", "2 marks"]);
    expect(amount(1, "part is", "parts are")).toBe("1 part is");
    expect(amount(3, "part is", "parts are")).toBe("3 parts are");
  });

  // Bytes are never one; of the others, a number whose name tells a count would once be shown as "1 marks".
  const bare =
    /\$\{[^{}`]*\b(?:length|size|count|clones|failures|[vV]?cpus)\b(?:\([^()]*\))?\} (?:more |free )?(?!bytes|as|is|was|has|units|times)[A-Za-z]{3,}s\b/;
  it("is written by one function wherever a count stands before a plural", () => {
    expect(["`", "{rows.length} marks`"].join("$")).toMatch(bare);
    const found = readdirSync(src, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.startsWith("firstboot/python/"))
      .flatMap((name) =>
        readFileSync(join(src, name), "utf8")
          .split("\n")
          .flatMap((line, i) => (bare.test(line) ? [`${name}:${i + 1}: ${line.trim()}`] : [])),
      );
    expect(found).toEqual([]);
  });
});
