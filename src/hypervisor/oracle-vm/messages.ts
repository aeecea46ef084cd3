import { TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import type { ManagerApi } from "../../manager/api.ts";
import type { MessageChannel, Messages } from "../hypervisor.ts";
import type { OracleVmSite } from "./site.ts";

const everyMs = 1000;

/**
 * Messages of machines through the Manager. Counts those from before a machine's last start, and those
 * already read.
 */
export function messaging({ options, known, there }: OracleVmSite) {
  const heard = new Map<string, number>();
  const channel: MessageChannel = {
    reaches: options.additions,
    async open(vm) {
      const { id } = await known(vm);
      const { api } = await there();
      const { receivedMessages } = api;
      if (receivedMessages)
        return messagesOf({ ...api, receivedMessages }, id, heard.get(vm) ?? 0, (seen) => {
          heard.set(vm, seen);
        });
      throw new TbuildError("environment", "its release cannot show what a guest has reported", {
        subject: api.name,
        hint: "Set hypervisor.additions: [] in the site. tbuild then skips boot trials.",
      });
    },
  };
  return {
    channel: options.additions.length > 0 ? channel : undefined,
    async onStart(vm: string, id: string): Promise<void> {
      const { api } = await there();
      heard.set(vm, (await api.receivedMessages?.(id))?.length ?? 0);
    },
    forget: (vm: string) => heard.delete(vm),
  };
}

/** Messages through the Manager, which is polled for the guest's reports. The first `known` ones are old. */
async function messagesOf(
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
    // Anybody may be able to read messages back, so no value is logged.
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
