import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";
import { of } from "./referring.ts";

export function createGroup(world: World, pool: ManagerObject, name: string, description = ""): Job {
  return world.begin(
    "create AntiAffinityGroup",
    [pool.id],
    () => world.add("AntiAffinityGroup", name, { pool: pool.id }, description).id,
  );
}

export function addToGroup(world: World, group: ManagerObject, vm: ManagerObject): Job {
  return world.begin("add Vm", [group.id, vm.id], () => {
    if (membership(world, group, vm))
      throw new Refusal("OVMAPI_9999E The virtual machine is in the anti-affinity group already.");
    // "the job is aborted and the virtual machine is not added to the group" (Concepts Guide 3.3, 6.12).
    if (
      neighbours(world, group).some((one) => one.id !== vm.id && serverOf(one) === (serverOf(vm) ?? "none"))
    )
      throw new Refusal("OVMAPI_9999E A virtual machine of the anti-affinity group runs on the same server.");
    world.add("AntiAffinityMember", vm.name, { group: group.id, vm: vm.id });
    return undefined;
  });
}

export function removeFromGroup(world: World, group: ManagerObject, vm: ManagerObject): Job {
  return world.begin("remove Vm", [group.id, vm.id], () => {
    const found = membership(world, group, vm);
    if (!found) throw new Refusal("OVMAPI_9999E The virtual machine is not in the anti-affinity group.");
    world.objects.delete(found.id);
    return undefined;
  });
}

export function removeGroup(world: World, group: ManagerObject): void {
  const members = of(world, "AntiAffinityMember", "group", group.id);
  if (members.length > 0 && world.settings.refusesMembers)
    throw new Refusal("OVMAPI_9999E The anti-affinity group has virtual machines.");
  for (const one of members) world.objects.delete(one.id);
}

/** A machine that is deleted leaves its groups. */
export function leaveGroups(world: World, vm: ManagerObject): void {
  const memberships = of(world, "AntiAffinityMember", "vm", vm.id);
  if (memberships.length > 0 && world.settings.refusesMembers)
    throw new Refusal("OVMAPI_9999E The virtual machine is in an anti-affinity group.");
  for (const one of memberships) world.objects.delete(one.id);
}

/** Whether a group of the machine has another one on this server. */
export function isTooNear(world: World, vm: ManagerObject, server: ManagerObject): boolean {
  return of(world, "AntiAffinityMember", "vm", vm.id).some(({ is }) => {
    const group = world.objects.get(String(is.group));
    return group && neighbours(world, group).some((one) => one.id !== vm.id && serverOf(one) === server.id);
  });
}

export function membersOf(world: World, group: string): ManagerObject[] {
  return of(world, "AntiAffinityMember", "group", group).flatMap(
    ({ is }) => world.objects.get(String(is.vm)) ?? [],
  );
}

function neighbours(world: World, group: ManagerObject): ManagerObject[] {
  return membersOf(world, group.id).filter((one) => serverOf(one) !== undefined);
}

function serverOf(vm: ManagerObject): string | undefined {
  return vm.is.startedOn === undefined ? undefined : String(vm.is.startedOn);
}

function membership(world: World, group: ManagerObject, vm: ManagerObject): ManagerObject | undefined {
  return of(world, "AntiAffinityMember", "group", group.id).find(({ is }) => is.vm === vm.id);
}
