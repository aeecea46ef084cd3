import { createInterface } from "node:readline/promises";
import { TbuildError } from "../errors.ts";

/** Asks a person whether what `losses` names may happen. Throws `usage` where nobody can be asked, or who was says no. */
export async function confirmed(losses: readonly string[], what: string): Promise<void> {
  if (losses.length === 0) return;
  if (!process.stdin.isTTY)
    throw new TbuildError("usage", `${what} would destroy or stop something`, {
      lines: losses,
      hint: "Use --yes to allow it.",
    });
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`${losses.map((one) => `  ${one}`).join("\n")}\nGo on? [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    asking.close();
  }
  throw new TbuildError("usage", "not confirmed; nothing was changed");
}
