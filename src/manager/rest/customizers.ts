import type { ManagerApi } from "../api.ts";
import { at, reference } from "./fields.ts";
import type { Orders } from "./orders.ts";

export function customizers({
  order,
  created,
  ids,
  ownerOf,
}: Orders): Pick<ManagerApi, "createCustomizer" | "deleteCustomizer" | "customizers"> {
  return {
    async createCustomizer(vm, { name, storage, networks }) {
      const id = await created(`/Vm/${at(vm)}/VmCloneDefinition`, { body: { name } });
      for (const [n, { mapping, repository, type }] of storage.entries())
        await order("POST", `/VmCloneDefinition/${at(id)}/VmCloneStorageMapping`, {
          body: {
            vmDiskMappingId: reference("VmDiskMapping", mapping),
            repositoryId: reference("Repository", repository),
            cloneType: type,
            name: `${name}-disk${n}`,
          },
        });
      for (const [n, { network, vnic }] of networks.entries())
        await order("POST", `/VmCloneDefinition/${at(id)}/VmCloneNetworkMapping`, {
          body: {
            networkId: reference("Network", network),
            virtualNicId: reference("VirtualNic", vnic),
            name: `${name}-nic${n}`,
          },
        });
      return id;
    },
    async deleteCustomizer(id) {
      const vm = await ownerOf("VmCloneDefinition", id, "vmId");
      await order("DELETE", `/Vm/${at(vm)}/VmCloneDefinition/${at(id)}`);
    },
    customizers: () => ids("VmCloneDefinition"),
  };
}
