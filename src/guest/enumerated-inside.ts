import { TbuildError } from "../errors.ts";
import { parseContract } from "../firstboot/contract.ts";
import type { Programs } from "../image/programs.ts";
import { printable } from "../io/escape.ts";
import { size } from "../io/units.ts";
import type { Parameter } from "../model/manifest.ts";

/** Limits of all modules of a guest together. */
interface EnumerateLimits {
  readonly seconds: number;
  readonly bytes: number;
}

const usualLimits: EnumerateLimits = { seconds: 120, bytes: 1024 * 1024 };

/**
 * The parameters of the modules that run at `configure`, as the guest's own `ovm-template-config --enumerate configure` prints
 * them. This runs the modules, so `programs` must keep them apart from this machine. Throws `guest` if they fail, print anything but
 * a list of modules, or reach a limit.
 */
export async function enumeratedInside(
  programs: Programs,
  { signal, limits = usualLimits }: { readonly signal?: AbortSignal; readonly limits?: EnumerateLimits } = {},
): Promise<Parameter[]> {
  const limit = new AbortController();
  const reached = (what: string) =>
    limit.abort(failure(what, "Run `tbuild sh` to see what the modules do.", []));
  const timer = setTimeout(
    () => reached(`did not end within ${limits.seconds} seconds`),
    limits.seconds * 1000,
  );
  const said: Record<"stdout" | "stderr", Uint8Array[]> = { stdout: [], stderr: [] };
  let bytes = 0;
  try {
    const { exitCode } = await programs.run(["ovm-template-config", "--enumerate", "configure"], {
      signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      async onOutput(to, data) {
        bytes += data.length;
        if (bytes > limits.bytes) reached(`printed more than ${size(limits.bytes)}`);
        else said[to].push(data);
      },
    });
    limit.signal.throwIfAborted();
    if (exitCode !== 0) throw failed(exitCode, textOf(said.stderr));
  } catch (error) {
    throw limit.signal.aborted && !signal?.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
  return parseContract(textOf(said.stdout));
}

function failed(exitCode: number, said: string): TbuildError {
  if (exitCode === 127)
    return failure(
      "is missing in the guest, or its interpreter is",
      "Without --run, tbuild reads the modules.",
      [],
    );
  const lines = said.trim().split("\n").slice(-12).map(printable);
  return failure(`ended with exit code ${exitCode}`, "Correct the module that the last lines name.", lines);
}

function failure(what: string, hint: string, lines: readonly string[]): TbuildError {
  return new TbuildError("guest", what, {
    subject: "ovm-template-config --enumerate configure",
    hint,
    lines,
  });
}

function textOf(parts: readonly Uint8Array[]): string {
  return new TextDecoder().decode(Buffer.concat(parts));
}
