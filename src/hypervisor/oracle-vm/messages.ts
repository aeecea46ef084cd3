import { sleep } from "../../host/wait-for.ts";
import type { ManagerApi } from "../../manager/api.ts";
import type { Messages } from "../hypervisor.ts";

const everyMs = 1000;

/** Messages through the Manager, which is asked again and again for what the guest has reported. The first `known` are old. */
export async function messagesOf(
  api: ManagerApi & Required<Pick<ManagerApi, "receivedMessages">>,
  id: string,
  known: number,
  closed: (seen: number) => void,
): Promise<Messages> {
  const end = new AbortController();
  let all: Awaited<ReturnType<typeof api.receivedMessages>> = [];
  let fault: unknown;
  const listening = (async () => {
    while (!end.signal.aborted) {
      try {
        all = await api.receivedMessages(id);
      } catch (error) {
        fault = error;
        return;
      }
      await sleep(everyMs, end.signal);
    }
  })();
  return {
    // What can be read back tells nothing of who reads it: no value is logged.
    send: (key, value) => api.sendMessages(id, [{ key, value, isSecret: true }]),
    received() {
      if (fault !== undefined) throw fault;
      return all.slice(known);
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await listening;
      closed(all.length);
    },
  };
}
