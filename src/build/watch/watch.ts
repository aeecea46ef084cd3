import { Interrupted, TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import { failures, progress } from "./patterns.ts";

/** Making file systems and the initramfs takes long and prints nothing. */
export const longestSilenceMs = 30 * 60_000;

export interface WatchOptions {
  /** The nonce in the kickstart's result line. It appears nowhere else. */
  readonly nonce: string;
  readonly signal: AbortSignal;
  readonly progress: (text: string, done?: number, total?: number) => void;
  /** After this much silence, the installer counts as hanging. */
  readonly silenceMs?: number;
}

/**
 * Reads an installer's console until it ends or the installation can no longer succeed. Returns after the
 * kickstart has reported success with our nonce and the console has ended. The caller checks that the machine
 * powered off.
 */
export async function watchInstaller(lines: AsyncIterable<string>, options: WatchOptions): Promise<void> {
  const { silenceMs = longestSilenceMs } = options;
  const tail: string[] = [];
  let result: string | undefined;
  let failed: TbuildError | undefined;
  const iterator = lines[Symbol.asyncIterator]();
  try {
    for (;;) {
      // The lines that explain a failure follow soon after the line that reports it.
      const next = await within(iterator.next(), failed ? 2_000 : silenceMs, options.signal);
      if (next === "silent") {
        if (failed) break;
        throw new TbuildError("guest", `the installer has printed nothing for ${duration(silenceMs)}`, {
          lines: tail.slice(-20),
          hint: "It hangs or waits for input. Check its console.",
        });
      }
      if (next.done) break;
      const line = stripped(next.value);
      if (line.trim() === "") continue;
      tail.push(printable(line));
      if (tail.length > 40) tail.shift();
      result ??= resultOf(line, options.nonce);
      failed ??= failureOf(line);
      if (!failed) tellProgress(line, options);
    }
  } finally {
    // Not awaited: a silent console would never return.
    void iterator.return?.();
  }
  if (failed)
    throw new TbuildError("guest", failed.message, {
      ...(failed.hint !== undefined && { hint: failed.hint }),
      lines: tail.slice(-20),
    });
  if (result === "OK") return;
  const why =
    result === undefined
      ? "the installer ended, but the kickstart did not report success"
      : `the kickstart's script reported ${result}`;
  throw new TbuildError("guest", why, {
    lines: tail.slice(-20),
    hint: "The output of the script is in /root/tbuild-post.log in the guest.",
  });
}

/** Minutes only if they are whole: 90 s are not "2 minutes". */
export function duration(ms: number): string {
  const [count, unit] =
    ms % 60_000 === 0 ? [ms / 60_000, "minute"] : [Math.max(1, Math.round(ms / 1000)), "second"];
  return amount(count, unit);
}

/** The result in a line, if it is the kickstart's result line. */
export function resultOf(line: string, nonce: string): string | undefined {
  return line.includes(`TBUILD ${nonce} RESULT `)
    ? line.slice(line.indexOf(" RESULT ") + " RESULT ".length).trim()
    : undefined;
}

/** The failure that a line reports, if any. */
export function failureOf(line: string): TbuildError | undefined {
  for (const { pattern, text, hint } of failures) {
    const match = pattern.exec(line);
    if (match)
      return new TbuildError("guest", printable(filled(text, match)).replace(/[:\s]+$/, ""), { hint });
  }
  return undefined;
}

function tellProgress(line: string, options: WatchOptions): void {
  for (const { pattern, text, counted } of progress) {
    const match = pattern.exec(line);
    if (!match) continue;
    if (counted) options.progress(text, Number(match[1]), Number(match[2]));
    else options.progress(filled(text, match));
    return;
  }
}

function filled(text: string, match: RegExpExecArray): string {
  return text.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? "");
}

// EL7's console is a tmux screen on a serial line: colours, cursor movements, titles.
function stripped(line: string): string {
  const esc = String.fromCharCode(27);
  return line.replaceAll(
    new RegExp(`${esc}(?:\\[[0-9;?]*[A-Za-z]|\\][^\\u0007]*\\u0007|[()][A-Z0-9])`, "g"),
    "",
  );
}

function within<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T | "silent"> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve("silent"), ms);
    const interrupt = () => reject(new Interrupted());
    signal.addEventListener("abort", interrupt, { once: true });
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupt);
    };
    work.then(resolve, reject).finally(done);
  });
}
