import type { ManagerApi, VmSeen } from "../../../manager/api.ts";
import { type Mark, markIn } from "../../place.ts";
import { machineDescription, systemDisksIn, vnicsIn } from "./marks.ts";
import { mappingsOf } from "./seen.ts";

/**
 * Removes a machine with everything that a clone made: first its system disks, because the machine's
 * description names them.
 */
export async function removeMachine(api: ManagerApi, vm: VmSeen): Promise<void> {
  const existing = new Set((await api.list("VirtualDisk")).map(({ id }) => id));
  for (const one of await mappingsOf(api, vm)) await api.deleteMapping(one.id);
  for (const id of systemDisksIn(vm.description ?? "")) if (existing.has(id)) await api.deleteDisk(id);
  for (const { id } of vm.vnics) await api.deleteVnic(id, vm.id);
  const cloned = vnicsIn(vm.description ?? "");
  if (api.looseVnics && cloned.length > 0)
    for (const { id } of await api.looseVnics()) if (cloned.includes(id)) await api.deleteVnic(id);
  await api.deleteVm(vm.id);
}

/**
 * Removes an incomplete clone, which has never run. Its disks are copies, and its description names them
 * before they are deleted. A shareable disk, or one with a mark, does not belong to it.
 */
export async function removeHalf(api: ManagerApi, vm: VmSeen, mark: Mark): Promise<void> {
  let seen = vm;
  let description = await described(api, seen, mark);
  if (seen.description !== description) {
    await api.editVm(vm.id, { description });
    // The edit has waited for a job that was still adding disks to the clone.
    seen = { ...(await api.vm(vm.id)), description };
    description = await described(api, seen, mark);
    if (seen.description !== description) await api.editVm(vm.id, { description });
  }
  await removeMachine(api, { ...seen, description });
}

async function described(api: ManagerApi, vm: VmSeen, mark: Mark): Promise<string> {
  const disks = new Set(systemDisksIn(vm.description ?? ""));
  for (const { device } of await mappingsOf(api, vm)) {
    if (device.kind !== "virtual-disk") continue;
    const disk = await api.disk(device.id);
    if (disk.isShareable !== true && markIn(disk.description ?? "") === undefined) disks.add(device.id);
  }
  return machineDescription([...disks], mark, vnicsIn(vm.description ?? ""));
}
