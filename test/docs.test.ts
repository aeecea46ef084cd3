import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { makeProgram } from "../src/cli/program.ts";

const repository = resolve(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(repository, file), "utf8");
const pages = ["README.md", ...readdirSync(join(repository, "docs")).map((name) => `docs/${name}`)].filter(
  (file) => file.endsWith(".md"),
);

describe("docs/troubleshooting.md", () => {
  const source = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(`src/${file}`))
    .join("\n");
  const messages = [...read("docs/troubleshooting.md").matchAll(/^\| `([^`]+)`/gm)].map(
    ([, text = ""]) => text,
  );

  it("has messages", () => {
    expect(messages.length).toBeGreaterThan(8);
  });

  // Placeholders for names and numbers are capital letters, file names or releases.
  it.each(messages)("explains %j, which is a message of the code", (message) => {
    const words = message
      .split(/\b[A-Z]:? ?\b|OracleLinux-….iso|\bol8\b|\blocal\b/)
      .map((part) => part.trim());
    for (const part of words.filter((one) => one.length > 3)) expect(source.includes(part), part).toBe(true);
  });
});

describe("commands that the documents show", () => {
  const program = makeProgram();
  const shown = pages.flatMap((page) => commandsOf(read(page)).map((line) => ({ page, line })));

  it.each(shown)("$page: tbuild $line", ({ line }) => {
    const [first = "", second = "", ...rest] = line.split(/\s+/);
    const command = program.commands.find((one) => one.name() === first);
    expect(command, first).toBeDefined();
    const sub = command?.commands.find((one) => one.name() === second);
    const options = [...program.options, ...(command?.options ?? []), ...(sub?.options ?? [])].map(
      (option) => option.long,
    );
    const used = [second, ...rest].filter((word) => /^--[a-z]/.test(word)).map((word) => word.split("=")[0]);
    expect(used.filter((option) => !options.includes(option))).toEqual([]);
  });
});

/** The commands in blocks of shell and in the running text, without `tbuild`. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = ""]) =>
    block.split("\n"),
  );
  const inline = [...text.matchAll(/`(tbuild [a-z][^`\n]*)`/g)].map(([, line = ""]) => line);
  return [...blocks, ...inline]
    .map((line) => line.replace(/ +#.*/, "").trim())
    .filter((line) => line.startsWith("tbuild "))
    .map((line) => line.slice("tbuild ".length));
}
