import { TbuildError } from "../errors.ts";
import type { Runner } from "../host/host.ts";
import { printedReason } from "../io/file-fault.ts";

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
  const argv = ["xorriso", "-abort_on", "FAILURE", ...args];
  const onLine = (line: string) => {
    const percent = /UPDATE :.*?\b(\d+)(?:\.\d+)?%/.exec(line)?.[1];
    if (percent !== undefined) progress?.(text, Number(percent), 100);
  };
  await host.run(argv, { env: { LC_ALL: "C" }, ...(signal && { signal }), onLine }).catch((error) => {
    throw withReason(error);
  });
}

/**
 * The failure of xorriso with the reason that the system gave it for a write, if it printed one. It writes nothing but the
 * image. `image`: named instead of the program.
 */
export function withReason(error: unknown, image?: string): unknown {
  if (!(error instanceof TbuildError)) return error;
  const reason = error.lines.some((line) => /Image size \d+s exceeds free space on media/.test(line))
    ? "the disk has too little room"
    : printedReason(error.lines.filter((line) => line.includes("write(2) returned -1")));
  if (reason === undefined) return error;
  if (image !== undefined) return error.with({ what: reason, subject: image, lines: [] });
  return error.with({ what: `the image could not be written: ${reason}` });
}
