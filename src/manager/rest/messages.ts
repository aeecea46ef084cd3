import { isLogged } from "../answers.ts";
import type { ManagerApi } from "../api.ts";
import { at, elements, text } from "./fields.ts";
import { member } from "./json.ts";
import type { Orders } from "./orders.ts";

export function messages({ client, order }: Orders): Pick<ManagerApi, "sendMessages" | "receivedMessages"> {
  return {
    async sendMessages(vm, sent) {
      for (const message of sent) {
        const { key, value, isSecret } = message;
        await order("PUT", `/Vm/${at(vm)}/sendMessage`, {
          query: { logFlag: isLogged(message) ? "Yes" : "No" },
          body: [{ key, value }],
          ...(isSecret && { secrets: [value] }),
        });
      }
    },
    async receivedMessages(vm) {
      const json = await client.get(`/Vm/${at(vm)}/messages`);
      return elements(json).flatMap((one) => {
        const [key, value] = [text(member(one, "key")), text(member(one, "value"))];
        return key === undefined ? [] : [{ key, value: value ?? "" }];
      });
    },
  };
}
