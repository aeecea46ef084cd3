import { TbuildError } from "../../errors.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { ManagerApi, VmSeen } from "../../manager/api.ts";
import { isDiscOf, isDiskOf, mayBeOf } from "./marks.ts";

/** Removes a machine with its disks and discs, even one that an interrupted call left incomplete. */
export async function removeMachine(api: ManagerApi, vm: string): Promise<void> {
  for (const { id, name } of await api.list("Vm")) {
    if (name !== vm) continue;
    const seen = await api.vm(id);
    if (!mayBeOf(vm, seen.description))
      throw new TbuildError("environment", "was not made by this tbuild", {
        subject: `${api.name}: ${vm}`,
        hint: "Somebody changed its description, or made it outside tbuild. It was not changed.",
      });
    await standStill(api, seen);
    for (const mapping of seen.mappings) await api.deleteMapping(mapping.id);
    for (const vnic of seen.vnics) await api.deleteVnic(vnic.id, id);
    await api.deleteVm(id);
  }
  for (const { id, name } of await api.list("VirtualDisk"))
    if (isDiskOf(vm, name) && mayBeOf(vm, (await api.disk(id)).description)) await api.deleteDisk(id);
  for (const { id, name } of await api.list("VirtualCdrom")) if (isDiscOf(vm, name)) await api.deleteDisc(id);
  for (const { id, description } of (await api.looseVnics?.()) ?? [])
    if (description !== undefined && mayBeOf(vm, description)) await api.deleteVnic(id);
}

async function standStill(api: ManagerApi, { id, name, state }: VmSeen): Promise<void> {
  if (state === "stopped") return;
  await api.kill(id).catch((error) => {
    // It may just have stopped by itself.
    if (!(error instanceof TbuildError) || error.code !== "failed") throw error;
  });
  await waitFor(
    `${name}: power-off`,
    async () => ((await api.vm(id)).state === "stopped" ? true : undefined),
    { timeoutMs: 60_000, everyMs: 500 },
  );
}
