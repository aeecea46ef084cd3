import type { Output, Runner, RunOptions } from "../../host/host.ts";
import { bytesOf } from "../names.ts";

/** A runner whose shell can read a script from a file: a program less to start for each. */
export interface ScriptRunner extends Runner {
  runScript?(script: Uint8Array, options: RunOptions): Promise<Output>;
}

/**
 * Runs a shell script that may contain names from a guest. The script is passed on stdin, followed by the `data` that it
 * reads: such names need not be UTF-8, but Node passes program arguments as UTF-8.
 */
export function runScript(
  host: ScriptRunner,
  script: string,
  { data = Buffer.alloc(0), signal }: { readonly data?: Buffer; readonly signal?: AbortSignal } = {},
): Promise<Output> {
  const text = bytesOf(script);
  if (host.runScript) return host.runScript(text, { input: data, ...(signal && { signal }) });
  return host.run(["sh", "-c", 's=$(head -c "$1") || exit; eval "$s"', "sh", String(text.length)], {
    input: Buffer.concat([text, data]),
    ...(signal && { signal }),
  });
}
