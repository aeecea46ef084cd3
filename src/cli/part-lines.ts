import type { DeployEvent } from "../deploy/run.ts";
import { printable } from "../io/escape.ts";
import { progressLine } from "./progress-line.ts";

export interface PartLines {
  readonly report: (event: DeployEvent) => void;
  readonly ended: (about: string) => void;
  /** Prints the parts that have not ended, too. */
  readonly close: () => void;
}

/** The progress of a deployment: one line for each part, when it is done. On a terminal, the last line shows what is being done. */
export function partLines(): PartLines {
  const said = new Map<string, DeployEvent[]>();
  const now = progressLine(!process.stderr.isTTY);
  const ended = (about: string) => {
    const events = said.get(about);
    if (events === undefined) return;
    said.delete(about);
    const words = events.filter((one, index) => !one.isPassing || index === events.length - 1);
    now.close();
    process.stdout.write(
      `${new Date().toISOString().slice(11, 19)} ${about}: ${printable(words.map(({ text }) => text).join(", "))}\n`,
    );
  };
  return {
    report(event) {
      const { about, text, isPassing } = event;
      said.set(about, [...(said.get(about) ?? []), event]);
      if (isPassing) now.show(printable(`${about}: ${text}`));
    },
    ended,
    close() {
      now.close();
      for (const about of [...said.keys()]) ended(about);
    },
  };
}
