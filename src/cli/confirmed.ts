import { TbuildError } from "../errors.ts";
import { askYes } from "./ask.ts";

/**
 * Asks before something is lost; `losses` lists what. Throws `usage` if there is no terminal to ask on, or
 * the answer is no.
 */
export async function confirmed(losses: readonly string[], what: string): Promise<void> {
  if (losses.length === 0) return;
  if (!process.stdin.isTTY)
    throw new TbuildError("usage", `${what} would destroy or stop something`, {
      lines: losses,
      hint: "Use --yes to allow it.",
    });
  if (await askYes(`${losses.map((one) => `  ${one}`).join("\n")}\nGo on?`)) return;
  throw new TbuildError("usage", "not confirmed; nothing was changed");
}
