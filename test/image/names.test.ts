import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, stringOf } from "../../src/image/names.ts";
import { namedBy, shown } from "../../src/io/escape.ts";

const latin1 = (text: string) => stringOf(Buffer.from(text, "latin1"));

describe("names of a guest", () => {
  it("are restored byte for byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(Buffer.compare(bytesOf(stringOf(bytes)), bytes)).toBe(0);
      }),
      { numRuns: 5000 },
    );
  });

  it("keep every character beside a byte that is none", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 20 }),
        fc.string({ unit: "binary" }),
        (one, other) => {
          const bytes = Buffer.concat([Buffer.from(one), Buffer.from([0xff]), Buffer.from(other)]);
          expect(stringOf(bytes)).toBe(`${one}\udcff${other}`);
        },
      ),
    );
    const long = "ä😀".repeat(20_000);
    expect(stringOf(Buffer.concat([Buffer.from(long), Buffer.from([0xff])]))).toBe(`${long}\udcff`);
  });

  it.each([
    ["plain", "plain"],
    ["UTF-8: ä 😀", "UTF-8: ä 😀"],
    [latin1("caf\xe9"), "caf\\xe9"],
    // A surrogate in UTF-8, an overlong slash, and an incomplete character.
    [latin1("\xed\xa0\x80"), "\\xed\\xa0\\x80"],
    [latin1("a\xc0\xafb"), "a\\xc0\\xafb"],
    [latin1("\xf0\x9f\x98"), "\\xf0\\x9f\\x98"],
    ["a\nb\tc\x1b[31m\x7f", "a\\x0ab\\x09c\\x1b[31m\\x7f"],
    ["\u0085\u2028\u202egpj.exe", "\\u0085\\u2028\\u202egpj.exe"],
    ["dev-disk-by\\x2duuid.device", "dev-disk-by\\x2duuid.device"],
    ["caf\\xe9", "caf\\\\xe9"],
    [latin1("\\\xe9"), "\\\\\\xe9"],
    ["a\\", "a\\"],
  ])("%j is shown as %s", (name, text) => {
    expect(shown(name)).toBe(text);
    expect(namedBy(text)).toBe(name);
  });

  it("are shown so that no two look alike, and each is found again by its shown form", () => {
    const part = fc.oneof(
      fc.constantFrom(
        "\\",
        "x",
        "u",
        "e4",
        "202e",
        "7f",
        "1b",
        "ä",
        "\n",
        "\u0085",
        "\u2028",
        "\u202e",
        "😀",
      ),
      fc.uint8Array({ maxLength: 3 }).map(stringOf),
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 12 }).map((parts) => stringOf(bytesOf(parts.join("")))),
        (name) => {
          expect(namedBy(shown(name))).toBe(name);
          expect(shown(name)).not.toMatch(/[\p{Cc}\p{Cs}]/u);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it("are the strings that Python's os.fsdecode gives", () => {
    const bytes = Buffer.from("caf\xe9 \xed\xa0\x80 \xc3\xa4 \xf5", "latin1");
    const script = "import json, os, sys; print(json.dumps(os.fsdecode(sys.stdin.buffer.read())))";
    const said = execFileSync("python3", ["-X", "utf8", "-c", script], { input: bytes, encoding: "utf8" });
    expect(stringOf(bytes)).toBe(JSON.parse(said));
  });
});
