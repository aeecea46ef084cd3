import { TbuildError } from "../../../errors.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen, findOne } from "../../../manager/repeatable-creation.ts";
import { type MachineWanted, type Mark, markIn, markLine } from "../../place.ts";
import type { Clones } from "./clone.ts";
import { blind, machineDescription, unfinishedName } from "./marks.ts";
import { removeHalf } from "./removal.ts";
import { mappingsOf } from "./seen.ts";

/** Makes a stopped clone of a template with its nics. Removes interrupted ones first. */
export async function machineMade(
  api: ManagerApi,
  options: ManagerOptions,
  clones: Clones,
  { name, template, way, vcpus, memoryMib, storage, nics }: MachineWanted,
  mark: Mark,
): Promise<string> {
  await clones.recover(mark);
  const half = unfinishedName(name, mark);
  let whole: string | undefined;
  for (const one of await api.list("Vm")) {
    if (one.name !== name && one.name !== half) continue;
    const vm = await api.vm(one.id);
    if (one.name === half && clones.isWhole(one.id)) whole = one.id;
    else if (one.name === half) await removeHalf(api, vm, mark);
    else if (markIn(vm.description ?? "")?.id === mark.id) return vm.id;
    else
      throw new TbuildError(
        "environment",
        `has a virtual machine ${name} that this deployment did not make`,
        {
          subject: api.name,
        },
      );
  }
  const target = await chosen(api, "Repository", storage ?? options.repository);
  const id = whole ?? (await clones.make({ template: template.id, name, way, target }, mark));
  // The template was locked until the job of an interrupted call had made its clone, too.
  if (clones.mayAppear(half))
    for (const one of await api.list("Vm"))
      if (one.name === half && one.id !== id) await removeHalf(api, await api.vm(one.id), mark);
  const vm = await api.vm(id);
  const vnics = vm.vnics.map((vnic) => vnic.id);
  // Between two commands, a vnic may have no machine. Then only the description shows its owner.
  if (api.looseVnics && vnics.length > 0)
    await api.editVm(id, { description: machineDescription([], mark, vnics) });
  for (const vnic of vnics) await api.deleteVnic(vnic, id);
  for (const { network, mac } of nics)
    await api.createVnic(id, {
      network: (await findOne(api, "Network", network)).id,
      mac,
      description: markLine(mark),
    });
  const copies = (await mappingsOf(api, vm)).flatMap(({ device }) =>
    device.kind === "virtual-disk" ? [device.id] : [],
  );
  await api.editVm(id, { vcpus, memoryMib, name, description: machineDescription(copies, mark) });
  if (markIn((await api.vm(id)).description ?? "")?.id !== mark.id) throw blind(api, `machine ${name}`);
  return id;
}
