import type { Host } from "../host/host.ts";

/** What the maker of an image gets. */
export interface ImageMaking {
  readonly host: Host;
  /** A folder of its own, thrown away afterwards. */
  readonly scratch: string;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

/** Runs xorriso, which tells how far it is in percent. */
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
