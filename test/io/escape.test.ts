import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { fileWord } from "../../src/io/escape.ts";

describe("a file in a command that a hint shows", () => {
  it.each(["System.img", "/a b/it's.img", "$(touch x)`y`.img", "-rf.img", "ä\u00a0.img", "a\\b.img", "a\nb"])(
    "is one word for a shell: %j",
    (file) => {
      const words = execFileSync("sh", ["-c", `printf '%s\\0' ${fileWord(file)}`], { encoding: "utf8" });
      expect(words).toBe(`${file.startsWith("-") ? "./" : ""}${file}\0`);
    },
  );

  it("has quotes only where it needs them", () => {
    expect(fileWord("/images/System.img")).toBe("/images/System.img");
  });
});
