import type { ManagerAbout, ManagerApi, Named, VmSeen } from "./api.ts";
import { readEach } from "./read-each.ts";

/** All objects of a Manager. */
export interface ManagerInventory {
  readonly about: ManagerAbout;
  readonly pools: readonly Named[];
  readonly servers: readonly Named[];
  readonly repositories: readonly Named[];
  readonly networks: readonly Named[];
  /** Machines and templates. */
  readonly vms: readonly VmSeen[];
}

export async function inventoryOf(api: ManagerApi): Promise<ManagerInventory> {
  const [about, pools, servers, repositories, networks, seen] = await Promise.all([
    api.about(),
    api.list("ServerPool"),
    api.list("Server"),
    api.list("Repository"),
    api.list("Network"),
    readEach(
      () => api.list("Vm"),
      ({ id }) => api.vm(id),
    ),
  ]);
  return { about, pools, servers, repositories, networks, vms: seen };
}
