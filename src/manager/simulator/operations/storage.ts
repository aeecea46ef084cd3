import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";
import { removeGroup } from "./anti-affinity.ts";
import { of } from "./referring.ts";

export interface DiskFields {
  readonly name: string;
  readonly description?: string | undefined;
  readonly bytes: number;
  readonly isShareable: boolean;
  readonly isSparse: boolean;
}

export function createDisk(world: World, repository: ManagerObject, fields: DiskFields): Job {
  return world.begin("create VirtualDisk", [repository.id], async () => {
    const { name, bytes, isShareable, isSparse, description = "" } = fields;
    const free = Number(repository.is.freeBytes);
    if (!isSparse && bytes > free)
      throw new Refusal(`OVMAPI_9999E Not enough space in repository ${repository.name}.`);
    if (!isSparse) repository.is.freeBytes = free - bytes;
    const is = { bytes, isShareable, repository: repository.id };
    const disk = world.add("VirtualDisk", name, is, description);
    await world.backing?.makeDisk(disk);
    return disk.id;
  });
}

export interface MappingFields {
  readonly slot: number;
  readonly name: string;
  readonly virtualDisk?: ManagerObject | undefined;
  readonly physicalDisk?: ManagerObject | undefined;
  readonly cdrom?: ManagerObject | undefined;
}

export function createMapping(world: World, vm: ManagerObject, fields: MappingFields): Job {
  return world.begin("create VmDiskMapping", [vm.id], () => {
    const { slot, name, virtualDisk, physicalDisk, cdrom } = fields;
    const mappings = of(world, "VmDiskMapping", "vm", vm.id);
    if (mappings.some((one) => one.is.slot === slot))
      throw new Refusal(`OVMAPI_9999E Slot ${slot} is in use.`);
    if (virtualDisk) {
      const users = of(world, "VmDiskMapping", "virtualDisk", virtualDisk.id);
      if (users.some((one) => one.is.vm === vm.id))
        throw new Refusal("OVMAPI_9999E The disk is mapped to this machine already.");
      // Several machines need a shareable disk (CLI User's Guide 3.3, create VirtualDisk).
      if (users.length > 0 && virtualDisk.is.isShareable !== true)
        throw new Refusal("OVMAPI_9999E The disk is not shareable, and is mapped to another machine.");
    }
    return world.add("VmDiskMapping", name, {
      vm: vm.id,
      slot,
      virtualDisk: virtualDisk?.id,
      physicalDisk: physicalDisk?.id,
      cdrom: cdrom?.id,
    }).id;
  });
}

/** Deletes an object that nothing depends on. */
export function remove(world: World, object: ManagerObject): Job {
  return world.begin(`delete ${object.type}`, [object.id], async () => {
    if (object.type === "VirtualDisk" && of(world, "VmDiskMapping", "virtualDisk", object.id).length > 0)
      throw new Refusal("OVMAPI_9999E The disk is mapped to a virtual machine.");
    if (object.type === "AntiAffinityGroup") removeGroup(world, object);
    if (object.type === "VmCloneCustomizer") removeCustomizer(world, object);
    world.objects.delete(object.id);
    if (object.type === "VirtualDisk" || object.type === "VirtualCdrom")
      await world.backing?.removeDisk(object);
    return undefined;
  });
}

export function removeCustomizer(world: World, customizer: ManagerObject): void {
  for (const type of ["VmCloneStorageMapping", "VmCloneNetworkMapping"])
    for (const one of of(world, type, "customizer", customizer.id)) world.objects.delete(one.id);
  world.objects.delete(customizer.id);
}
