import type { Runner } from "../../host/host.ts";

/**
 * Why bash refuses a script, and in which line; `undefined` if it does not. With -n it runs nothing, not even the
 * `shopt -s extglob` of the script.
 */
export async function bashFault(
  host: Runner,
  script: string | Uint8Array,
): Promise<{ readonly line: number; readonly text: string } | undefined> {
  const { exitCode, stderr } = await host.run(["bash", "-O", "extglob", "-n"], {
    input: script,
    allow: [1, 2],
  });
  if (exitCode === 0) return undefined;
  const [, line = "1", text = "a syntax error"] = /line (\d+): (.*)/.exec(stderr) ?? [];
  return { line: Number(line), text };
}

/** Why ksh refuses a script, and in which line; `undefined` if it does not. It warns of what it takes. */
export async function kshFault(
  host: Runner,
  script: string | Uint8Array,
): Promise<{ readonly line: number; readonly text: string } | undefined> {
  const { exitCode, stderr } = await host.run(["ksh", "-n"], { input: script, allow: [1, 2, 3] });
  if (exitCode === 0) return undefined;
  const said = stderr.split("\n").find((one) => /syntax error/.test(one)) ?? "";
  const [, line = "1", text = "a syntax error"] = /line (\d+): (.*)/.exec(said) ?? [];
  return { line: Number(line), text };
}
