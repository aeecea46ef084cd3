import { checkInterrupted, TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import type { Host } from "./host.ts";
import { folderScript } from "./temporary.ts";

/** A resource on a host that exists only while tbuild runs: a mount, a mapping, a lock. Closing it removes it. */
export interface Held extends AsyncDisposable {
  /** The script's text after `tbuild-ready`. */
  readonly said: string;
  /** Aborts when the script has ended by itself or the connection to its host is broken. */
  isGone(): boolean;
}

/**
 * Runs a script that sets something up, prints `tbuild-ready …`, reads its stdin to the end, and then removes
 * everything again. Its stdin closes with tbuild, even if tbuild is killed or the connection breaks, so
 * nothing is left behind. `what` is the subject of errors: `System.img: kpartx`. `signal` aborts the wait for
 * a slow script.
 */
export async function hold(
  host: Host,
  what: string,
  script: string,
  args: readonly string[],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Held> {
  checkInterrupted(signal);
  const lines: string[] = [];
  let isReady: (said: string) => void = () => {};
  const ready = new Promise<string>((resolve) => {
    isReady = resolve;
  });
  const talk = await host.talk(["sh", "-c", `${patient}\n${script}`, "sh", ...args], {
    onLine(line) {
      const [, said] = /^tbuild-ready ?(.*)$/.exec(line) ?? [];
      if (said === undefined) lines.push(line);
      else isReady(said);
    },
  });
  let gone = false;
  let exitCode: number | undefined;
  const failed = (how: string) =>
    new TbuildError("environment", `${how} on ${host.name}`, {
      subject: what,
      lines: lines.slice(-8).map(printable),
      exitCode,
    });
  const ended = talk.ended.then((code) => {
    gone = true;
    exitCode = code ?? undefined;
    return code;
  });
  const stop = () => talk.sayNoMore();
  signal?.addEventListener("abort", stop, { once: true });
  const said = await Promise.race([ready, ended.then(() => undefined)]);
  signal?.removeEventListener("abort", stop);
  if (signal?.aborted) {
    talk.sayNoMore();
    await ended;
    checkInterrupted(signal);
  }
  if (said === undefined) throw failed("could not be set up");
  return {
    said,
    isGone: () => gone,
    async [Symbol.asyncDispose]() {
      talk.sayNoMore();
      if ((await ended) !== 0) throw failed("was not taken down cleanly");
    },
  };
}

// Only the end of stdin ends a script. Busy resources are retried for five seconds.
const patient = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
trap '' HUP INT TERM PIPE
exec 2>&1
until_gone() { cat > /dev/null; }
again() {
  left=50
  until said=$("$@" 2>&1); do
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "$said"; return 1; }
    sleep 0.1
  done
}
${folderScript}`;
