import { TbuildError } from "../../errors.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { ManagerApi, VmSeen } from "../../manager/api.ts";
import { disksOf, removeVm } from "../../manager/devices.ts";
import { readEach } from "../../manager/read-each.ts";
import { isDiscOf, isDiskOf, mayBeOf } from "./marks.ts";

/** Removes a machine, even one that an interrupted call left incomplete. Its disks stay. */
export async function removeMachine(api: ManagerApi, vm: string): Promise<void> {
  for (const { id, name } of await api.list("Vm")) {
    if (name !== vm) continue;
    const seen = await api.vm(id);
    if (!mayBeOf(vm, seen.description))
      throw new TbuildError("environment", "was not made by this tbuild", {
        subject: `${api.name}: ${vm}`,
        hint: "Someone changed its description, or made it outside tbuild. It was not changed.",
      });
    await standStill(api, seen);
    await removeVm(api, seen);
  }
}

/**
 * Removes the disks and discs of a machine that is gone. `known` are its own disks. A template that was made of it can have others
 * of the same names: disks that are in use stay, and `spared` ones.
 */
export async function removeDevices(
  api: ManagerApi,
  vm: string,
  { known, spared }: { readonly known: ReadonlySet<string>; readonly spared: ReadonlySet<string> },
): Promise<void> {
  const found: string[] = [];
  for (const { id, name } of await api.list("VirtualDisk"))
    if (!spared.has(id) && isDiskOf(vm, name) && mayBeOf(vm, (await api.disk(id)).description))
      found.push(id);
  const used = found.every((id) => known.has(id)) ? new Set() : await disksInUse(api);
  for (const id of found) if (known.has(id) || !used.has(id)) await api.deleteDisk(id);
  for (const { id, name } of await api.list("VirtualCdrom")) if (isDiscOf(vm, name)) await api.deleteDisc(id);
  for (const { id, description } of (await api.looseVnics?.()) ?? [])
    if (description !== undefined && mayBeOf(vm, description)) await api.deleteVnic(id);
}

async function disksInUse(api: ManagerApi): Promise<ReadonlySet<string>> {
  const used = await readEach(
    () => api.list("Vm"),
    async ({ id }) => disksOf(api, await api.vm(id)),
  );
  return new Set(used.flat());
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
