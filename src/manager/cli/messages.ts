import { isLogged } from "../answers.ts";
import type { ManagerApi } from "../api.ts";
import { properties } from "./answer.ts";
import { command, instance } from "./command.ts";
import type { Orders } from "./orders.ts";

export function messages({
  client,
  dialect,
  order,
}: Orders): Pick<ManagerApi, "sendMessages" | "receivedMessages"> {
  return {
    async sendMessages(vm, sent) {
      for (const message of sent)
        await order(
          command(`sendVmMessage ${instance({ type: "Vm", id: vm })}`, {
            key: message.key,
            message: message.isSecret ? { secret: message.value } : message.value,
            log: isLogged(message),
          }),
        );
    },
    ...(dialect.readsMessages && {
      async receivedMessages(vm: string) {
        return properties(
          await client.read(command(`getVmReceivedMessages ${instance({ type: "Vm", id: vm })}`)),
        );
      },
    }),
  };
}
