import type { ManagerAbout, ManagerApi, Named, VmSeen } from "./api.ts";

/** What a Manager has, in one look. */
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
  const about = await api.about();
  const pools = await api.list("ServerPool");
  const servers = await api.list("Server");
  const repositories = await api.list("Repository");
  const networks = await api.list("Network");
  const vms: VmSeen[] = [];
  for (const { id } of await api.list("Vm")) vms.push(await api.vm(id));
  return { about, pools, servers, repositories, networks, vms };
}
