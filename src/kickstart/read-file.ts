import { readFile, stat } from "node:fs/promises";
import { TbuildError } from "../errors.ts";
import { fileFault } from "../io/file-fault.ts";
import { commands, sections } from "./table.ts";

/** Far more than any kickstart. A larger file is something else. */
const mostBytes = 4 * 1024 * 1024;

/**
 * Reads a kickstart that the user named. Throws `usage` if it is not text, `environment` if it cannot be
 * read.
 */
export async function readKickstartFile(file: string): Promise<string> {
  const refuse = (what: string) =>
    new TbuildError("usage", what, { subject: file, hint: "A kickstart is a text file." });
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new TbuildError("usage", "no such file", { subject: file });
    throw fileFault(error, file);
  });
  if (!found.isFile()) throw refuse("is not a file");
  if (found.size > mostBytes) throw refuse(`has ${found.size} bytes, too many for a kickstart`);
  const data = await readFile(file).catch((error) => {
    throw fileFault(error, file);
  });
  const zero = data.indexOf(0);
  if (zero >= 0) {
    const line = data.subarray(0, zero).toString("latin1").split("\n").length;
    throw refuse(`is not a kickstart: line ${line} contains a zero byte`);
  }
  return data.toString("utf8");
}

/**
 * False if no line starts with a command or a section of any release's installer, or with a template's (`{{`, `{%`, `{#`),
 * although there is text.
 */
export function mayBeKickstart(text: string): boolean {
  const words = text.split("\n").flatMap((line) => /^\s*([^\s#]\S*)/.exec(line)?.[1] ?? []);
  return (
    words.length === 0 ||
    words.some((word) => word in commands || word in sections || /^(?:%include|%ksappend|\{[{%#])/.test(word))
  );
}
