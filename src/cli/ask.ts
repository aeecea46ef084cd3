import { createInterface } from "node:readline/promises";
import { Interrupted } from "../errors.ts";

/** Asks on the terminal, and returns the trimmed answer. Throws `Interrupted` if `signal` aborts, after Ctrl-C and at the end of the input. The caller checks that there is a terminal. */
export async function ask(question: string, signal?: AbortSignal): Promise<string> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  // After Ctrl-C, and at the end of the input, readline closes and never answers.
  const closed = new Promise<never>((_, refuse) => asking.once("close", () => refuse(new Interrupted())));
  try {
    const answer = asking.question(question, { ...(signal && { signal }) });
    return (await Promise.race([answer, closed])).trim();
  } catch (cause) {
    if (signal?.aborted) throw new Interrupted();
    throw cause;
  } finally {
    asking.close();
  }
}

/** Asks a yes-or-no question. Only `y` and `yes` count as yes. */
export async function askYes(question: string, signal?: AbortSignal): Promise<boolean> {
  return /^y(?:es)?$/i.test(await ask(`${question} [y/N] `, signal));
}
