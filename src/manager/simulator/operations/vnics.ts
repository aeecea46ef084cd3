import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";

export function createVnic(
  world: World,
  {
    vm,
    network,
    mac,
    name,
    description,
  }: {
    vm?: ManagerObject | undefined;
    network: ManagerObject;
    mac?: string | undefined;
    name: string;
    description?: string | undefined;
  },
): Job {
  return world.begin("create Vnic", vm ? [vm.id] : [], () => {
    const own = (mac ?? freeMac(world)).toLowerCase();
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(own))
      throw new Refusal(`OVMAPI_9999E ${own} is not a MAC address.`);
    if (world.all("Vnic").some((one) => one.is.mac === own))
      throw new Refusal(`OVMAPI_9999E The MAC address ${own} is in use.`);
    return world.add("Vnic", name, { mac: own, network: network.id, vm: vm?.id }, description).id;
  });
}

export function freeMac(world: World): string {
  for (let number = 1; ; number++) {
    const tail = number
      .toString(16)
      .padStart(6, "0")
      .replace(/(..)(?=.)/g, "$1:");
    const mac = `00:21:f6:${tail}`;
    if (!world.all("Vnic").some((one) => one.is.mac === mac)) return mac;
  }
}
