import { TbuildError } from "../../errors.ts";
import type { Output, Runner } from "../../host/host.ts";

interface SyntaxFault {
  readonly line: number;
  readonly text: string;
}

/**
 * Why bash refuses a script, and in which line; `undefined` if it does not. With -n it runs nothing, not even the
 * `shopt -s extglob` of the script.
 */
export async function bashFault(host: Runner, script: string | Uint8Array): Promise<SyntaxFault | undefined> {
  const said = await saidOf(host, ["bash", "-O", "extglob", "-n"], script, [1, 2]);
  if (said === undefined) return crash("bash");
  const { exitCode, stderr } = said;
  if (exitCode === 0) return undefined;
  const [, line = "1", text = "a syntax error"] = /line (\d+): (.*)/.exec(stderr) ?? [];
  return { line: Number(line), text };
}

/** Why ksh refuses a script, and in which line; `undefined` if it does not. It warns of what it takes. */
export async function kshFault(host: Runner, script: string | Uint8Array): Promise<SyntaxFault | undefined> {
  const said = await saidOf(host, ["ksh", "-n"], script, [1, 2, 3]);
  if (said === undefined) return crash("ksh");
  const { exitCode, stderr } = said;
  if (exitCode === 0) return undefined;
  const fault = stderr.split("\n").find((one) => /syntax error/.test(one)) ?? "";
  const [, line = "1", text = "a syntax error"] = /line (\d+): (.*)/.exec(fault) ?? [];
  return { line: Number(line), text };
}

/** What a shell says of a script; `undefined` if a signal ended the shell: some scripts crash it, such as deeply nested ones. */
async function saidOf(
  host: Runner,
  shell: readonly string[],
  script: string | Uint8Array,
  allow: readonly number[],
): Promise<Output | undefined> {
  try {
    return await host.run(shell, { input: script, allow });
  } catch (error) {
    const isKilled =
      error instanceof TbuildError && error.code === "command-failed" && error.exitCode === undefined;
    if (isKilled) return undefined;
    throw error;
  }
}

function crash(shell: string): SyntaxFault {
  return { line: 1, text: `${shell} crashes when it reads this script` };
}
