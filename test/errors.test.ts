import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { exitCodes, TbuildError } from "../src/errors.ts";
import { localHost } from "../src/host/local.ts";

const src = resolve(import.meta.dirname, "../src");

describe("TbuildError", () => {
  const error = new TbuildError("guest", "is cut off", {
    subject: "/a.img",
    code: "backing-file",
    lines: ["one"],
    command: "cat /a.img",
    hint: "Copy it again.",
  });

  it("begins its message with its subject", () => {
    expect(error.message).toBe("/a.img: is cut off");
    expect(error.about("/a.img")).toBe("is cut off");
    expect(error.about("/b.img")).toBe("/a.img: is cut off");
  });

  it("stays the same failure inside a larger one", () => {
    const outer = error.within("seal", { fault: "environment" });
    expect(outer.message).toBe("seal: /a.img: is cut off");
    expect(outer).toMatchObject({ code: "backing-file", fault: "environment", hint: "Copy it again." });
    expect(outer.lines).toEqual(["one", "$ cat /a.img"]);
    expect(outer.about("seal")).toBe("/a.img: is cut off");
    expect(outer.cause).toBe(error);
  });

  it("identifies a program's failure by code, not by words", async () => {
    const run = (...argv: string[]) =>
      localHost()
        .run(argv, { timeoutMs: 5000 })
        .catch((e) => e);
    expect(await run("tbuild-has-no-such-program")).toMatchObject({
      code: "not-installed",
      exitCode: undefined,
    });
    expect(await run("sh", "-c", "echo why >&2; exit 7")).toMatchObject({
      code: "command-failed",
      exitCode: 7,
      said: ["why"],
      subject: "sh",
    });
    expect(await run("sh", "-c", "kill -9 $$")).toMatchObject({
      code: "command-failed",
      exitCode: undefined,
    });
    expect(await run("sh", "-c", "dd if=/dev/zero of=/dev/full count=1")).toMatchObject({
      code: "disk-full",
    });
  });

  it("has one table of exit codes, without two alike", () => {
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
  });
});

describe("control flow", () => {
  /** Libraries and programs whose errors have words but no code; only messages depend on these words. */
  const foreign = ["recipe/located.ts", "recipe/shape.ts", "io/http-words.ts", "media/xorriso.ts"];
  const onWords =
    /\bmessage\??\.(?:includes|startsWith|endsWith|match|replace|replaceAll|search|indexOf)\(|\.(?:test|exec)\((?:\w+\.)*(?:message)\b|\.message\s*[!=]==|\b(?:error|cause|fault)\.(?:lines|said|what)\b[^;]*\.(?:includes|startsWith|test|match)\(/;

  it("never depends on the words of an error", () => {
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".ts"),
    );
    const found = files
      .filter((file) => !foreign.includes(file))
      .flatMap((file) =>
        readFileSync(join(src, file), "utf8")
          .split("\n")
          .filter((line) => onWords.test(line))
          .map((line) => `${file}: ${line.trim()}`),
      );
    expect(found).toEqual([]);
  });
});
