/** A domain as `xl list -v` shows it. */
export interface Domain {
  readonly name: string;
  readonly id: number;
  readonly uuid: string;
  /** Xen's number for the reason of its shutdown; `undefined` while it runs. */
  readonly reason?: number;
}

/** Xen's reasons for a shutdown (xen/include/public/sched.h, SHUTDOWN_*). */
export const shutdownReasons = { poweroff: 0, reboot: 1, suspend: 2, crash: 3, watchdog: 4 } as const;

/**
 * The domains in the output of `xl list -v`. Its columns are the name, ID, Mem, VCPUs, State, Time(s), UUID,
 * Reason-Code and Security Label, separated by blanks. A name may contain blanks, so a line is read from its
 * end. Other lines are ignored.
 */
export function readDomains(text: string): Domain[] {
  return text.split("\n").flatMap((line) => {
    const found =
      /^(.+?)\s+(\d+)\s+\d+\s+\d+\s+([-rbpscd]{5,6})\s+[\d.]+\s+([0-9a-f-]{36})\s+(-?\d+|-)(?:\s|$)/.exec(
        line,
      );
    if (!found) return [];
    const [, name = "", id, state = "", uuid = "", reason = "-"] = found;
    const hasStopped = state.includes("s") || state.includes("c");
    const code = /^\d+$/.test(reason) ? Number(reason) : undefined;
    return [
      {
        name,
        id: Number(id),
        uuid,
        ...(hasStopped && { reason: code ?? shutdownReasons.crash }),
      },
    ];
  });
}
