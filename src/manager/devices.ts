import type { ManagerApi, MappingSeen, VmSeen } from "./api.ts";

/** What is in the slots of a machine or template. */
export async function slotsOf(
  api: ManagerApi,
  { mappings }: Pick<VmSeen, "mappings">,
): Promise<MappingSeen[]> {
  return Promise.all(mappings.map(({ id }) => api.mapping(id)));
}

/** The ids of its virtual disks. */
export async function disksOf(api: ManagerApi, vm: VmSeen): Promise<string[]> {
  return (await slotsOf(api, vm)).flatMap(({ device }) =>
    device.kind === "virtual-disk" ? [device.id] : [],
  );
}

/** Removes a stopped machine or a template. Its disks stay. */
export async function removeVm(api: ManagerApi, { id, mappings, vnics }: VmSeen): Promise<void> {
  for (const mapping of mappings) await api.deleteMapping(mapping.id);
  for (const vnic of vnics) await api.deleteVnic(vnic.id, id);
  await api.deleteVm(id);
}
