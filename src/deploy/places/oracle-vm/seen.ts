import type { ManagerApi, MappingSeen, VmSeen } from "../../../manager/api.ts";
import {
  type Inventory,
  type Mark,
  markIn,
  type Place,
  type SeenDisk,
  type SeenMachine,
} from "../../place.ts";
import { bytesOf, finalNameOf, systemDisksIn } from "./marks.ts";

export async function mappingsOf(api: ManagerApi, vm: VmSeen): Promise<MappingSeen[]> {
  return Promise.all(vm.mappings.map(({ id }) => api.mapping(id)));
}

/** What the Manager has of a deployment. */
export async function lookAt(
  api: ManagerApi,
  mark: Mark,
  names: Parameters<Place["look"]>[1],
): Promise<Inventory> {
  const machines: SeenMachine[] = [];
  const taken: Inventory["taken"][number][] = [];
  const vms = await api.list("Vm");
  for (const { id } of vms) {
    const vm = await api.vm(id);
    const of = markIn(vm.description ?? "");
    const final = finalNameOf(vm.name, mark);
    if (final !== undefined)
      machines.push({
        ...{ id, state: "unfinished" as const, vcpus: 0, memoryMib: 0, nics: [], disks: [] },
        // Beside the complete machine it is of no use, and goes.
        name: vms.some(({ name }) => name === final) ? vm.name : final,
      });
    else if (of?.id === mark.id) machines.push(await seenMachine(api, vm));
    else if (names.machines.includes(vm.name))
      taken.push({ kind: "machine", name: vm.name, ...(of && { by: `deployment ${of.deployment}` }) });
  }
  const disks: SeenDisk[] = [];
  for (const one of await api.list("VirtualDisk")) {
    const disk = await api.disk(one.id);
    const of = markIn(disk.description ?? "");
    const { id, name, bytes = 0, isShareable = false } = disk;
    if (of?.id === mark.id)
      disks.push({ id, name, bytes: bytesOf(bytes, disk.description ?? ""), isShared: isShareable });
    else if (names.disks.includes(name))
      taken.push({ kind: "disk", name, ...(of && { by: `deployment ${of.deployment}` }) });
  }
  return { machines, disks, taken };
}

async function seenMachine(api: ManagerApi, vm: VmSeen): Promise<SeenMachine> {
  const system = systemDisksIn(vm.description ?? "");
  const nics = [];
  for (const { id } of vm.vnics) {
    const { mac, network } = await api.vnic(id);
    nics.push({ mac: mac ?? "", network: network?.name ?? "" });
  }
  const disks = [];
  for (const { slot, device } of await mappingsOf(api, vm)) {
    if (slot === undefined || (device.kind !== "virtual-disk" && device.kind !== "physical-disk")) continue;
    if (system.includes(device.id)) continue;
    const isShared = device.kind === "virtual-disk" && (await api.disk(device.id)).isShareable === true;
    disks.push({ slot, disk: device.id, mode: isShared ? ("shared" as const) : ("write" as const) });
  }
  const { id, name, vcpus = 0, memoryMib = 0, state } = vm;
  const now = state === "running" || state === "stopped" ? state : "other";
  return { id, name, state: now, vcpus, memoryMib, nics, disks };
}
