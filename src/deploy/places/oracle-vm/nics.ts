import type { ManagerApi } from "../../../manager/api.ts";
import { findOne } from "../../../manager/repeatable-creation.ts";
import { markIn, markLine, type Place } from "../../place.ts";

/** Adds and removes network cards of machines. */
export function nicsAt(api: ManagerApi): Pick<Place, "addNic" | "removeNic"> {
  return {
    async addNic(machine, { network, mac }) {
      const vm = await api.vm(machine);
      for (const { id } of vm.vnics) if ((await api.vnic(id)).mac === mac) return;
      const mark = markIn(vm.description ?? "");
      await api.createVnic(machine, {
        network: (await findOne(api, "Network", network)).id,
        mac,
        ...(mark && { description: markLine(mark) }),
      });
    },
    async removeNic(machine, mac) {
      for (const { id } of (await api.vm(machine)).vnics)
        if ((await api.vnic(id)).mac === mac) await api.deleteVnic(id, machine);
    },
  };
}
