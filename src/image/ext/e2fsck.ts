import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { fileWord, printable } from "../../io/escape.ts";

/** Runs e2fsck with automatic repairs, and throws if errors remain. `device` may end in `?offset=`. */
export async function checkFileSystem(host: Runner, device: string, signal?: AbortSignal): Promise<void> {
  // 1: errors corrected, which is the purpose.
  const output = await host.run(["e2fsck", "-fp", device], {
    allow: [1, 4, 8, 12],
    ...(signal && { signal }),
  });
  if (output.exitCode > 1)
    throw new TbuildError("integrity", "e2fsck cannot repair it automatically", {
      subject: device,
      lines: output.stdout.trim().split("\n").slice(-8).map(printable),
      hint: `Check it with: e2fsck -f ${fileWord(device)}`,
    });
}

/** e2fsck's findings about a whole file system; empty if it is correct. Changes nothing. */
export async function faultsOf(host: Runner, device: string, signal?: AbortSignal): Promise<string[]> {
  const { exitCode, stdout } = await host.run(["e2fsck", "-fn", device], {
    allow: [4, 8, 12],
    ...(signal && { signal }),
  });
  if (exitCode === 0) return [];
  return stdout
    .trim()
    .split("\n")
    .filter((line) => line !== "" && !/^(?:e2fsck |Pass \d)|: \*{10} WARNING|: \d+\/\d+ files \(/.test(line))
    .map(printable);
}
