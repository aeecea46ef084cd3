import { TbuildError } from "../../../errors.ts";
import { sleep } from "../../../host/wait-for.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import type { Conversation } from "../../place.ts";

/** Exchanges messages with a machine. `startedAt`: when this process started the machine. */
export function conversationAt(
  api: ManagerApi,
  machine: string,
  {
    options,
    startedAt,
    signal,
  }: { readonly options: ManagerOptions; readonly startedAt: number; readonly signal: AbortSignal },
): Conversation {
  let isHeard = false;
  return {
    async send(message) {
      // The additions must run, but nothing shows that they do. Scripts wait half a minute after the start.
      const pause = startedAt + options.guestSeconds * 1000 - Date.now();
      if (!isHeard && pause > 0) await sleep(pause, signal);
      const until = Date.now() + options.commandMinutes * 60_000;
      for (;;)
        try {
          await api.sendMessages(machine, [message]);
          isHeard = true;
          return;
        } catch (error) {
          const isRefused = error instanceof TbuildError && error.code === "failed";
          if (isHeard || !isRefused || Date.now() >= until || signal.aborted) throw error;
          await sleep(5000, signal);
        }
    },
    reports: async () => (await api.receivedMessages?.(machine)) ?? [],
    async [Symbol.asyncDispose]() {},
  };
}
