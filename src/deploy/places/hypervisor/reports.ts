import { appendFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Messages } from "../../../hypervisor/hypervisor.ts";
import { textOf } from "../../../io/durable.ts";
import { makeFolders } from "../../../io/folders.ts";
import type { Conversation } from "../../place.ts";

type Report = { readonly key: string; readonly value: string };

// The delay before a report is written to disk.
const everyMs = 50;

/**
 * Messages to a machine whose hypervisor passes on reports only while we listen. The guest's reports are
 * stored, so that the next process has them, too.
 */
export async function conversationWith(
  messages: Messages,
  folder: string,
  machine: string,
): Promise<Conversation> {
  const file = fileOf(folder, machine);
  await makeFolders(join(folder, "reports"));
  const earlier = parsed((await textOf(file)) ?? "");
  let kept = 0;
  let isCut = false;
  const keep = () => {
    const all = messages.received();
    const fresh = all.slice(kept);
    if (fresh.length === 0) return;
    try {
      appendFileSync(file, [isCut ? "\n" : "", ...fresh.map((one) => `${JSON.stringify(one)}\n`)].join(""));
      [kept, isCut] = [all.length, false];
    } catch {
      // Such as a full disk: part of it may be written. This process has the reports, and tries again. If it ended now, no
      // process would have them.
      isCut = true;
    }
  };
  const timer = setInterval(keep, everyMs);
  return {
    send: ({ key, value }) => messages.send(key, value),
    async reports() {
      keep();
      return [...earlier, ...messages.received()];
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      keep();
      await messages[Symbol.asyncDispose]();
    },
  };
}

/** After a new start, a machine has reported nothing. */
export function forgetReports(folder: string, machine: string): Promise<void> {
  return rm(fileOf(folder, machine), { force: true });
}

function fileOf(folder: string, machine: string): string {
  return join(folder, "reports", `${machine}.jsonl`);
}

// The last line may be cut off by a kill.
function parsed(text: string): Report[] {
  return text.split("\n").flatMap((line) => {
    try {
      const { key, value } = JSON.parse(line) as Partial<Report>;
      return key === undefined || value === undefined ? [] : [{ key, value }];
    } catch {
      return [];
    }
  });
}
