import { type DomainType, domainTypes } from "../../../choices.ts";
import { makesPvm } from "../../no-pvm.ts";
import type { BackedMachine } from "../backing/backing.ts";
import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";
import { isTooNear, leaveGroups } from "./anti-affinity.ts";
import { of } from "./referring.ts";
import { removeCustomizer } from "./storage.ts";

export interface VmFields {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly domainType?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly vcpus?: number | undefined;
  readonly osType?: string | undefined;
  readonly bootOrder?: string | undefined;
}

export function createVm(
  world: World,
  pool: ManagerObject,
  repository: ManagerObject,
  fields: VmFields,
): Job {
  return world.begin("create Vm", [], () => {
    checkVm(world, fields, true);
    const {
      name = "",
      description = "",
      domainType,
      memoryMib = 1024,
      vcpus = 1,
      osType,
      bootOrder,
    } = fields;
    const vm = world.add(
      "Vm",
      name,
      {
        state: "STOPPED",
        domainType,
        memoryMib,
        vcpus,
        osType: osType ?? "None",
        bootOrder: bootOrder ?? "DISK",
        pool: pool.id,
        repository: repository.id,
      },
      description,
    );
    return vm.id;
  });
}

export function editVm(world: World, vm: ManagerObject, fields: VmFields): Job {
  return world.begin("edit Vm", [vm.id], () => {
    checkVm(world, fields, false);
    const { name, description, domainType, memoryMib, vcpus, bootOrder } = fields;
    // "Stop the virtual machine before you change its domain type" (User's Guide 3.3).
    if (domainType !== undefined && vm.is.state === "RUNNING")
      throw new Refusal("OVMAPI_9999E The virtual machine must be stopped to change its domain type.");
    if (name !== undefined) vm.name = name;
    if (description !== undefined) vm.description = description;
    const more = { domainType, memoryMib, vcpus, bootOrder };
    for (const [key, value] of Object.entries(more)) if (value !== undefined) vm.is[key] = value;
    return undefined;
  });
}

function checkVm(world: World, { name, domainType, memoryMib, vcpus }: VmFields, isNew: boolean): void {
  const { version } = world.settings;
  if (isNew && !name) throw new Refusal("OVMAPI_9999E A name is required.");
  if (isNew && domainType === undefined) throw new Refusal("OVMAPI_9999E A domain type is required.");
  if (domainType !== undefined && !domainTypes.includes(domainType as DomainType))
    throw new Refusal(`OVMAPI_9999E ${domainType} is not a domain type.`);
  refusePvm(version, domainType);
  // 32 to 2000000 MB, 1 to 128 processors (CLI User's Guide 3.3, A.51).
  if (memoryMib !== undefined && !(memoryMib >= 32 && memoryMib <= 2_000_000))
    throw new Refusal("OVMAPI_9999E memory must be between 32 and 2000000.");
  if (vcpus !== undefined && !(vcpus >= 1 && vcpus <= 128))
    throw new Refusal("OVMAPI_9999E cpuCount must be between 1 and 128.");
}

/** 3.4.6 makes no PVM guests; those that exist go on (Release Notes 3.4.6). */
export function refusePvm(version: string, domainType: unknown): void {
  if (domainType === "XEN_PVM" && !makesPvm(version))
    throw new Refusal("OVMAPI_9999E XEN_PVM is not supported by this release.");
}

/**
 * Deletes a machine with its mappings and vnics; its virtual disks are kept, as scripts that remove a machine
 * show.
 */
export function deleteVm(world: World, vm: ManagerObject): Job {
  return world.begin("delete Vm", [vm.id], async () => {
    if (vm.is.state === "RUNNING" || vm.is.state === "STOPPING")
      throw new Refusal("OVMAPI_9999E The virtual machine is running.");
    leaveGroups(world, vm);
    for (const mapping of of(world, "VmDiskMapping", "vm", vm.id)) {
      world.objects.delete(mapping.id);
      const disk = world.objects.get(String(mapping.is.virtualDisk ?? ""));
      if (world.settings.deleteKeepsDisks || !disk) continue;
      world.objects.delete(disk.id);
      await world.backing?.removeDisk(disk);
    }
    for (const vnic of of(world, "Vnic", "vm", vm.id)) world.objects.delete(vnic.id);
    for (const one of of(world, "VmCloneCustomizer", "vm", vm.id)) removeCustomizer(world, one);
    world.objects.delete(vm.id);
    return undefined;
  });
}

export function power(world: World, vm: ManagerObject, what: "start" | "stop" | "kill" | "restart"): Job {
  return world.begin(`${what} Vm`, [vm.id], async () => {
    if (vm.is.state === "TEMPLATE")
      throw new Refusal("OVMAPI_9999E A template cannot be started or stopped.");
    if (what === "start" || what === "restart") {
      if (what === "start" && vm.is.state === "RUNNING")
        throw new Refusal("OVMAPI_9999E The virtual machine is running already.");
      const servers = of(world, "Server", "pool", String(vm.is.pool)).filter((one) => one.is.isUp !== false);
      if (servers.length === 0) throw new Refusal("OVMAPI_9999E No server of the pool is running.");
      const server = servers.find((one) => !isTooNear(world, vm, one));
      if (!server) throw new Refusal("OVMAPI_9999E Each server runs a machine of its anti-affinity group.");
      await world.backing?.start(backedMachine(world, vm), () => stopped(world, vm));
      vm.is.state = "RUNNING";
      vm.is.startedOn = server.id;
      world.startedAt.set(vm.id, Date.now());
    } else if (what === "stop" && world.backing) {
      if (vm.is.state !== "RUNNING") return undefined;
      vm.is.state = "STOPPING";
      const { stopMs, stopWaits } = world.settings;
      const down = world.backing.shutDown(vm, stopMs).then(() => {
        // A guest that ignores the request keeps running.
        if (vm.is.state !== "STOPPING") return;
        vm.is.state = "RUNNING";
        throw new Refusal("OVMAPI_9999E The virtual machine has not shut down.");
      });
      if (stopWaits) await down;
      else down.catch(() => {});
    } else {
      await world.backing?.cutPower(vm);
      stopped(world, vm);
    }
    return undefined;
  });
}

function stopped(world: World, vm: ManagerObject): void {
  vm.is.state = "STOPPED";
  vm.is.startedOn = undefined;
  world.startedAt.delete(vm.id);
}

function backedMachine(world: World, vm: ManagerObject): BackedMachine {
  const mappings = of(world, "VmDiskMapping", "vm", vm.id).sort(
    (a, b) => Number(a.is.slot) - Number(b.is.slot),
  );
  const named = (id: ManagerObject["is"][string]) => world.objects.get(String(id ?? ""));
  return {
    vm,
    disks: mappings.flatMap(({ is }) => {
      const disk = named(is.virtualDisk);
      return disk ? [{ slot: Number(is.slot), disk, isShared: disk.is.isShareable === true }] : [];
    }),
    discs: mappings.flatMap(({ is }) => named(is.cdrom) ?? []),
    nics: of(world, "Vnic", "vm", vm.id).map(({ is }) => ({
      network: named(is.network)?.name ?? "",
      mac: String(is.mac),
    })),
  };
}
