import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import type { ModuleFile } from "../module.ts";
import { bashFault, kshFault } from "../shell/bash-syntax.ts";
import type { ReadShell } from "../shell/read.ts";
import { firstLine, isShell } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { isPerl } from "./perl.ts";

/** A script whose syntax was not checked, and why. */
export interface Unchecked {
  readonly file: string;
  readonly why: string;
}

/**
 * Lets bash and ksh of this machine read a script, which they do without running it. perl cannot: `perl -c` runs BEGIN
 * blocks, and what `use` brings (perlrun(1)).
 */
export async function interpreterFaults(
  file: ModuleFile,
  read: ReadShell,
  host: Runner,
): Promise<{ readonly findings: readonly ModuleFinding[]; readonly unchecked: readonly Unchecked[] }> {
  const none = { findings: [], unchecked: [] };
  const program = programOf(file);
  if (program === "perl") return { findings: [], unchecked: [{ file: file.from, why: perlRuns }] };
  if (program === "zsh") return { findings: [], unchecked: [{ file: file.from, why: "zsh is not asked" }] };
  if (program === undefined || file.data.includes(13)) return none;
  // The parser here does not know all of bash, so that bash itself has the last word.
  if (program === "bash" && !read(Buffer.from(file.data).toString("utf8")).hasError) return none;
  const ask = { bash: bashFault, ksh: kshFault }[program];
  const answer = await ask(host, file.data).catch((error) => {
    if (!(error instanceof TbuildError) || error.code !== "not-installed") throw error;
    return { why: `this machine has no ${program}` };
  });
  if (answer === undefined) return none;
  if ("why" in answer) return { findings: [], unchecked: [{ file: file.from, why: answer.why }] };
  const { line, text } = answer;
  const found: ModuleFinding = {
    level: "error",
    file: file.from,
    line,
    text: `${program} refuses it: ${text}`,
    remedy: `Run: ${program} -n on the file`,
  };
  return { findings: [found], unchecked: [] };
}

const perlRuns =
  "perl runs a part of a program to read it (`tbuild module rehearse` runs it in a throw-away root)";

function programOf(file: ModuleFile): "bash" | "ksh" | "zsh" | "perl" | undefined {
  if (isPerl(file)) return "perl";
  if (!isShell(file)) return undefined;
  const [, letter] = /^#!.*\/(?:env\s+)?([kz])sh\b/.exec(firstLine(file)) ?? [];
  if (letter === "k") return "ksh";
  return letter === "z" ? "zsh" : "bash";
}
