import type { ManagerApi } from "../api.ts";
import { command, instance } from "./command.ts";
import type { Orders } from "./orders.ts";

const type = "VmCloneCustomizer";

export function customizers({
  order,
  on,
  created,
  list,
}: Orders): Pick<ManagerApi, "createCustomizer" | "deleteCustomizer" | "customizers"> {
  return {
    async createCustomizer(vm, { name, storage, networks }) {
      const id = await created(
        type,
        command(`create ${type}`, { name }, `on ${instance({ type: "Vm", id: vm })}`),
      );
      const target = `on ${instance({ type, id })}`;
      for (const [at, { type: cloneType, mapping, repository }] of storage.entries())
        await order(
          command(
            "create VmCloneStorageMapping",
            { cloneType, vmDiskMapping: mapping, repository, name: `${name}-disk${at}` },
            target,
          ),
        );
      for (const [at, { network, vnic }] of networks.entries())
        await order(
          command("create VmCloneNetworkMapping", { network, vnic, name: `${name}-nic${at}` }, target),
        );
      return id;
    },
    async deleteCustomizer(id) {
      await on("delete", type, id);
    },
    customizers: () => list(type),
  };
}
