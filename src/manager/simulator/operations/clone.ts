import type { Job, ManagerObject, World } from "../world.ts";
import { of } from "./referring.ts";
import { refusePvm } from "./vms.ts";
import { freeMac } from "./vnics.ts";

export interface CloneFields {
  /** REST's clone takes no name (Web Services Guide 3.3). */
  readonly name?: string;
  readonly asTemplate: boolean;
  readonly pool: ManagerObject | undefined;
  readonly repository: ManagerObject | undefined;
  readonly customizer: ManagerObject | undefined;
}

export function cloneVm(world: World, from: ManagerObject, fields: CloneFields): Job {
  return world.begin("clone Vm", [from.id], async () => {
    const { asTemplate, pool, repository, customizer } = fields;
    if (!asTemplate) refusePvm(world.settings.version, from.is.domainType);
    const { startedOn: _, ...is } = from.is;
    const { clonesKeepTexts: keeps, listsUnfinishedClones } = world.settings;
    if (!listsUnfinishedClones) await copying(world);
    const clone = world.add(
      "Vm",
      fields.name ?? freeName(world, `${from.name}.`),
      {
        ...is,
        state: asTemplate ? "TEMPLATE" : "STOPPED",
        pool: pool?.id ?? from.is.pool,
        repository: repository?.id ?? from.is.repository,
      },
      keeps ? from.description : "",
    );
    if (listsUnfinishedClones) {
      world.locked.add(clone.id);
      await copying(world);
      world.locked.delete(clone.id);
    }
    for (const mapping of of(world, "VmDiskMapping", "vm", from.id)) {
      const disk = world.objects.get(String(mapping.is.virtualDisk ?? ""));
      const { virtualDisk, ...rest } = mapping.is;
      const wanted = of(world, "VmCloneStorageMapping", "customizer", customizer?.id).find(
        (one) => one.is.mapping === mapping.id,
      );
      const target = wanted?.is.repository ?? repository?.id ?? disk?.is.repository;
      const copy =
        disk && disk.is.isShareable !== true
          ? world.add(
              "VirtualDisk",
              keeps ? disk.name : `${disk.name} (${clone.name})`,
              { ...disk.is, repository: target },
              keeps ? disk.description : "",
            )
          : disk;
      if (disk && copy && copy !== disk) await world.backing?.copyDisk(disk, copy);
      world.add("VmDiskMapping", mapping.name, {
        ...rest,
        vm: clone.id,
        ...(copy && { virtualDisk: copy.id }),
        ...(wanted && { cloneType: wanted.is.cloneType }),
      });
    }
    for (const vnic of of(world, "Vnic", "vm", from.id))
      world.add("Vnic", freeMac(world), { ...vnic.is, vm: clone.id, mac: freeMac(world) });
    return clone.id;
  });
}

// The setting may change meanwhile.
async function copying(world: World): Promise<void> {
  const begun = Date.now();
  while (Date.now() - begun < world.settings.cloneMs) await new Promise((done) => setTimeout(done, 20));
}

function freeName(world: World, start: string): string {
  for (let number = 0; ; number++)
    if (!world.all("Vm").some((one) => one.name === `${start}${number}`)) return `${start}${number}`;
}
