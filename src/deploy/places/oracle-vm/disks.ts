import { TbuildError } from "../../../errors.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import { createSteadily } from "../../../manager/repeatable-creation.ts";
import { markIn, markLine, type Place } from "../../place.ts";
import { blind } from "./marks.ts";
import { isThere, mappingsOf } from "./seen.ts";

/** Makes disks in a repository, maps them to machines, and deletes them. */
export function disksAt(
  api: ManagerApi,
  repository: (name?: string) => Promise<{ readonly id: string }>,
): Pick<Place, "makeDisk" | "mapDisk" | "unmapDisk" | "destroyDisk"> {
  return {
    async makeDisk({ name, bytes, isShared, storage }, mark) {
      const target = await repository(storage);
      const hasMark = async (id: string) => markIn((await api.disk(id)).description ?? "")?.id === mark.id;
      for (const one of await api.list("VirtualDisk"))
        if (one.name === name && (await hasMark(one.id))) return one.id;
      const id = await createSteadily({
        what: `disk ${name}`,
        name,
        list: () => api.list("VirtualDisk"),
        create: () =>
          api.createDisk({
            name,
            bytes,
            description: `tbuild size ${bytes}. ${markLine(mark)}`,
            isShareable: isShared,
            isSparse: true,
            repository: target.id,
          }),
        matches: hasMark,
        remove: (half) => api.deleteDisk(half),
      });
      if (!(await hasMark(id))) throw blind(api, `disk ${name}`);
      return id;
    },

    async mapDisk(machine, { slot, disk, mode }) {
      const vm = await api.vm(machine);
      const there = (await mappingsOf(api, vm)).find((one) => one.slot === slot);
      if (there) {
        if ("id" in there.device && there.device.id === disk) return;
        throw new TbuildError("environment", `slot ${slot} of ${vm.name} has another disk`, {
          subject: api.name,
        });
      }
      await api.createMapping(machine, slot, { virtualDisk: disk, mode }, `${vm.name} slot ${slot}`);
    },
    async unmapDisk(machine, slot) {
      for (const one of await mappingsOf(api, await api.vm(machine)))
        if (one.slot === slot) await api.deleteMapping(one.id);
    },

    async destroyDisk(disk, mark) {
      if (!(await isThere(api, "VirtualDisk", disk))) return;
      const { name, description: text = "" } = await api.disk(disk);
      if (markIn(text)?.id !== mark.id)
        throw new TbuildError("environment", `the disk ${name} does not carry the mark of this deployment`, {
          subject: api.name,
        });
      await api.deleteDisk(disk);
    },
  };
}
