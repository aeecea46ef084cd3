import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { TbuildError } from "../errors.ts";

/** Asks on the terminal without echo. Throws `usage` if there is no terminal. */
export async function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new TbuildError("usage", `${question.replace(/: $/, "")}: there is no terminal to ask on`, {
      hint: "Use {env: NAME} or {file: PATH} instead of {prompt: true}.",
    });
  process.stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const asking = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await asking.question("");
  } finally {
    asking.close();
    process.stderr.write("\n");
  }
}
