import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";

/** At most 1024 bytes if it is logged, 8192 if not; a key at most 256 (Concepts Guide 3.3, vmcon-vm-message). */
export function sendMessage(world: World, vm: ManagerObject, key: string, value: string, log: boolean): Job {
  return world.begin("sendVmMessage", [vm.id], async () => {
    if (vm.is.state !== "RUNNING") throw new Refusal("OVMAPI_9999E The virtual machine is not running.");
    const most = log ? 1024 : 8192;
    if (Buffer.byteLength(value) > most)
      throw new Refusal(`OVMAPI_9999E The message is longer than ${most} bytes.`);
    if (Buffer.byteLength(key) > 256) throw new Refusal("OVMAPI_9999E The key is longer than 256 bytes.");
    const isUp = world.backing
      ? world.backing.isHeard(vm)
      : Date.now() - (world.startedAt.get(vm.id) ?? 0) >= world.settings.guestDelayMs;
    if (!isUp && world.settings.messageBeforeGuest === "refused")
      throw new Refusal("OVMAPI_9999E The guest does not answer.");
    if (!isUp) return undefined;
    await world.backing?.send(vm, key, value);
    const messages = world.sent.get(vm.id) ?? [];
    messages.push({ key, value, log });
    world.sent.set(vm.id, messages);
    return undefined;
  });
}

export async function messagesFrom(world: World, vm: ManagerObject) {
  return world.backing ? world.backing.received(vm) : (world.received.get(vm.id) ?? []);
}
