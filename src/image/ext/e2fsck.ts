import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { fileWord, printable } from "../../io/escape.ts";

/**
 * Runs e2fsck with automatic repairs, and throws if errors remain. `device` may end in `?offset=`; for a copy, `shown` is what
 * it was copied from.
 */
export async function checkFileSystem(
  host: Runner,
  device: string,
  { shown = device, signal }: { readonly shown?: string; readonly signal?: AbortSignal } = {},
): Promise<void> {
  // 1: errors corrected, which is the purpose.
  const output = await host.run(["e2fsck", "-fp", device], {
    allow: [1, 4, 8, 12],
    ...(signal && { signal }),
  });
  if (output.exitCode > 1)
    throw new TbuildError("integrity", "e2fsck cannot repair it automatically", {
      subject: shown,
      lines: output.stdout
        .replaceAll(device, () => shown)
        .trim()
        .split("\n")
        .slice(-8)
        .map(printable),
      hint: `Check it with: e2fsck -f ${fileWord(shown)}`,
    });
}

/**
 * e2fsck's findings about a whole file system; empty if it is correct. Changes nothing. It is stopped after
 * many findings: with group descriptors that it must not repair, it would restart forever.
 */
export async function faultsOf(host: Runner, device: string, signal?: AbortSignal): Promise<string[]> {
  const stop = new AbortController();
  const first: string[] = [];
  const onLine = (line: string) => {
    if (first.push(line) === mostLines) stop.abort();
  };
  try {
    const { exitCode, stdout } = await host.run(["e2fsck", "-fn", device], {
      allow: [4, 8, 12],
      signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      onLine,
    });
    return exitCode === 0 ? [] : stdout.trim().split("\n").filter(isFault).map(printable);
  } catch (error) {
    checkInterrupted(signal);
    if (!stop.signal.aborted) throw error;
    return [...first.slice(0, mostLines).filter(isFault).map(printable), "e2fsck was stopped there"];
  }
}

const mostLines = 10_000;

function isFault(line: string): boolean {
  return line !== "" && !/^(?:e2fsck |Pass \d)|: \*{10} WARNING|: \d+\/\d+ files \(/.test(line);
}
