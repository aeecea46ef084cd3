import type { Runner } from "../host/host.ts";

/** Input for the function that adds files to an image. */
export interface ImageMaking {
  readonly host: Runner;
  /** A scratch folder, removed afterwards. */
  readonly scratch: string;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

/** Runs xorriso, and reports its progress in percent. */
export async function xorriso(
  { host, signal, progress }: ImageMaking,
  text: string,
  args: readonly string[],
): Promise<void> {
  progress?.(text);
  await host.run(["xorriso", "-abort_on", "FAILURE", ...args], {
    env: { LC_ALL: "C" },
    ...(signal && { signal }),
    onLine(line) {
      const percent = /UPDATE :.*?\b(\d+)(?:\.\d+)?%/.exec(line)?.[1];
      if (percent !== undefined) progress?.(text, Number(percent), 100);
    },
  });
}
