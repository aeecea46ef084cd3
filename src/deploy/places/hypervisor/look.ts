import { TbuildError } from "../../../errors.ts";
import type { DiskUser, Inventory, Mark, NicWanted, Place, SeenMachine } from "../../place.ts";
import type { Kept, MachineRecord } from "./machine-records.ts";

/** The objects of a deployment at the place, and the needed names that others use. */
export async function lookAt(
  kept: Kept,
  mark: Mark,
  names: Parameters<Place["look"]>[1],
): Promise<Inventory> {
  const [made, own] = [await kept.machines.list(), await kept.disks.list()];
  const machines: SeenMachine[] = [];
  for (const [name, record] of made) {
    const machine = record.mark.id === mark.id ? await seen(kept, name, record) : undefined;
    if (machine) machines.push(machine);
  }
  const taken: Inventory["taken"][number][] = [];
  const owner = (kind: "machine" | "disk", name: string, of: Mark | undefined) => {
    if (of && of.id !== mark.id) taken.push({ kind, name, by: `deployment ${of.deployment}` });
  };
  for (const name of names.machines) {
    const record = made.get(name);
    owner("machine", name, record?.mark);
    if (!record && (await kept.hypervisor.state(name)) !== "absent") taken.push({ kind: "machine", name });
  }
  for (const name of names.disks) {
    owner("disk", name, own.get(name)?.mark);
    if (!own.has(name) && (await kept.hasFile(name))) taken.push({ kind: "disk", name });
  }
  const disks = [];
  // A record without its file belongs to a disk that was not made yet, or that was removed.
  for (const [name, { mark: of, bytes, isShared }] of own)
    if (of.id === mark.id && (await kept.hasFile(name))) disks.push({ id: name, name, bytes, isShared });
  return { machines, disks, groups: [], taken };
}

/** As `Place.strangersOn`. A system disk is a machine's own, and no other machine can use it. */
export async function strangersOn(
  { hypervisor, machines, diskFile, shapes }: Kept,
  { disks }: Parameters<Place["strangersOn"]>[0],
  mark: Mark,
): Promise<DiskUser[]> {
  const nameOf = new Map(disks.map((name) => [diskFile(name), name]));
  const made = await machines.list();
  const users: DiskUser[] = [];
  for (const machine of nameOf.size === 0 ? [] : await hypervisor.list()) {
    if (made.get(machine)?.mark.id === mark.id) continue;
    const shape = await shapes().of(machine).catch(noneIfUnreadable);
    for (const { file = "" } of shape?.disks ?? []) {
      const disk = nameOf.get(file);
      if (disk !== undefined) users.push({ disk, machine });
    }
  }
  return users;
}

/** A machine whose definition a kill left out cannot be started with a disk. */
function noneIfUnreadable(error: unknown): undefined {
  if (!(error instanceof TbuildError)) throw error;
}

async function seen(
  { hypervisor, shapes }: Kept,
  name: string,
  record: MachineRecord,
): Promise<SeenMachine | undefined> {
  const state = await hypervisor.state(name);
  if (!record.isMade)
    return { id: name, name, state: "unfinished", vcpus: 0, memoryMib: 0, nics: [], disks: [] };
  if (state === "absent") return undefined;
  const shape = await shapes().of(name);
  return {
    id: name,
    name,
    state,
    vcpus: shape.vcpus,
    memoryMib: shape.memoryMib,
    nics: shape.nics.map(
      ({ mac, network, address }): NicWanted => ({
        mac,
        network: record.networks[mac] ?? network,
        ...(address !== undefined && { address }),
      }),
    ),
    disks: shape.disks.flatMap(({ slot, mode, file }) =>
      file === undefined ? [] : [{ slot, mode, disk: diskNamed(file) }],
    ),
  };
}

function diskNamed(file: string): string {
  return /([^/]+)\.img$/.exec(file)?.[1] ?? file;
}
