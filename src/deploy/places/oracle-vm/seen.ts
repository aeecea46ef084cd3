import type { ManagerApi, MappingSeen, Named, ObjectKind, VmSeen } from "../../../manager/api.ts";
import { readEach } from "../../../manager/read-each.ts";
import {
  type DiskUser,
  type Inventory,
  type Mark,
  markIn,
  type Place,
  type SeenMachine,
} from "../../place.ts";
import { bytesOf, finalNameOf, systemDisksIn } from "./marks.ts";

export async function mappingsOf(api: ManagerApi, vm: VmSeen): Promise<MappingSeen[]> {
  return Promise.all(vm.mappings.map(({ id }) => api.mapping(id)));
}

/**
 * The machines and disks of a deployment in the Manager. Independent requests run at once, so there are few
 * calls.
 */
export async function lookAt(
  api: ManagerApi,
  mark: Mark,
  names: Parameters<Place["look"]>[1],
): Promise<Omit<Inventory, "groups">> {
  const [vms, disks] = await Promise.all([allOf(api, "Vm", api.vm), allOf(api, "VirtualDisk", api.disk)]);
  const isShared = new Map(disks.map((disk) => [disk.id, disk.isShareable === true]));
  const all = new Set(vms.map(({ name }) => name));
  const machines = await Promise.all(
    vms.map(async (vm): Promise<SeenMachine | undefined> => {
      const final = finalNameOf(vm.name, mark);
      if (final === undefined)
        return markIn(vm.description ?? "")?.id === mark.id ? seenMachine(api, vm, isShared) : undefined;
      return {
        id: vm.id,
        state: "unfinished",
        vcpus: 0,
        memoryMib: 0,
        nics: [],
        disks: [],
        // It is useless beside the complete machine, and is removed.
        name: all.has(final) ? vm.name : final,
      };
    }),
  );
  const ours = disks.filter((disk) => markIn(disk.description ?? "")?.id === mark.id);
  return {
    machines: machines.filter((one) => one !== undefined),
    disks: ours.map(({ id, name, bytes = 0, description = "", isShareable = false }) => ({
      id,
      name,
      bytes: bytesOf(bytes, description),
      isShared: isShareable,
    })),
    taken: [...takenBy("machine", vms, names.machines, mark), ...takenBy("disk", disks, names.disks, mark)],
  };
}

/** As `Place.strangersOn`. The Manager does not show the users of a disk, so each machine is asked for its disks. */
export async function strangersOn(
  api: ManagerApi,
  { machines, disks }: Parameters<Place["strangersOn"]>[0],
  mark: Mark,
): Promise<DiskUser[]> {
  const vms = await allOf(api, "Vm", api.vm);
  const ours = new Set([
    ...disks,
    ...vms.flatMap(({ id, description = "" }) => (machines.includes(id) ? systemDisksIn(description) : [])),
  ]);
  const isStranger = ({ id, name, description = "" }: VmSeen) =>
    !machines.includes(id) && markIn(description)?.id !== mark.id && finalNameOf(name, mark) === undefined;
  const found = await Promise.all(
    vms
      .filter(isStranger)
      .map(async (vm) =>
        (await mappingsOf(api, vm)).flatMap(({ device }) =>
          device.kind === "virtual-disk" && ours.has(device.id)
            ? [{ disk: device.name, machine: vm.name }]
            : [],
        ),
      ),
  );
  return found.flat();
}

async function allOf<T>(api: ManagerApi, kind: ObjectKind, read: (id: string) => Promise<T>): Promise<T[]> {
  return readEach(
    () => api.list(kind),
    ({ id }) => read(id),
  );
}

function takenBy(
  kind: "machine" | "disk",
  things: readonly (Named & { readonly description?: string })[],
  names: readonly string[],
  mark: Mark,
): Inventory["taken"] {
  return things
    .filter(({ name }) => names.includes(name))
    .flatMap(({ name, description = "" }) => {
      const of = markIn(description);
      if (of?.id === mark.id) return [];
      return [{ kind, name, ...(of && { by: `deployment ${of.deployment}` }) }];
    });
}

async function seenMachine(
  api: ManagerApi,
  vm: VmSeen,
  isShared: ReadonlyMap<string, boolean>,
): Promise<SeenMachine> {
  const system = systemDisksIn(vm.description ?? "");
  const [vnics, mappings] = await Promise.all([
    Promise.all(vm.vnics.map(({ id }) => api.vnic(id))),
    mappingsOf(api, vm),
  ]);
  const { id, name, vcpus = 0, memoryMib = 0, state } = vm;
  const now = state === "running" || state === "stopped" ? state : "other";
  return {
    id,
    name,
    state: now,
    vcpus,
    memoryMib,
    nics: vnics.map(({ mac, network }) => ({ mac: mac ?? "", network: network?.name ?? "" })),
    disks: mappings.flatMap(({ slot, device }) => {
      if (slot === undefined || (device.kind !== "virtual-disk" && device.kind !== "physical-disk"))
        return [];
      if (system.includes(device.id)) return [];
      return [
        { slot, disk: device.id, mode: isShared.get(device.id) === true ? "shared" : "write" } as const,
      ];
    }),
  };
}

export async function isThere(api: ManagerApi, kind: "Vm" | "VirtualDisk", id: string): Promise<boolean> {
  return (await api.list(kind)).some((one) => one.id === id);
}
