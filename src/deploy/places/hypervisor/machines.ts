import { TbuildError } from "../../../errors.ts";
import { buildNetwork, type Nic } from "../../../hypervisor/hypervisor.ts";
import type { MachineWanted, Mark, NicWanted, Place } from "../../place.ts";
import { foreign, type Kept } from "./machine-records.ts";
import { forgetReports } from "./reports.ts";

/** Makes machines, changes them, and removes them. */
export function machinesAt(
  kept: Kept,
): Pick<Place, "makeMachine" | "resize" | "addNic" | "removeNic" | "destroyMachine"> {
  const { hypervisor, machines, shapes } = kept;

  async function changeNics(
    machine: string,
    change: (nics: readonly NicWanted[]) => readonly NicWanted[],
  ): Promise<void> {
    const record = await machines.read(machine);
    if (!record) throw gone(machine);
    const now = (await shapes().of(machine)).nics;
    const named = now.map((nic) => ({ ...nic, network: record.networks[nic.mac] ?? nic.network }));
    const then = change(named);
    await machines.write(machine, { ...record, networks: networksOf(then) });
    await shapes().change(machine, { nics: onHypervisor(then) });
  }

  return {
    makeMachine: (machine, mark) => made(kept, machine, mark),
    resize: (machine, size) => shapes().change(machine, size),
    addNic: (machine, nic) =>
      changeNics(machine, (nics) => [...nics.filter(({ mac }) => mac !== nic.mac), nic]),
    removeNic: (machine, mac) => changeNics(machine, (nics) => nics.filter((nic) => nic.mac !== mac)),

    async destroyMachine(machine, mark) {
      const record = await machines.read(machine);
      if (!record) return;
      if (record.mark.id !== mark.id) throw foreign("machine", machine);
      await hypervisor.destroy(machine);
      await forgetReports(kept.folder, machine);
      await machines.remove(machine);
    },
  };
}

async function made(
  { hypervisor, machines, templates }: Kept,
  { name, template, way, vcpus, memoryMib, nics }: MachineWanted,
  mark: Mark,
): Promise<string> {
  const known = await machines.read(name);
  if (!known && (await hypervisor.state(name)) !== "absent") throw foreign("machine", name);
  const record = { mark, isMade: false, template: template.id, networks: networksOf(nics) };
  if (known?.isMade && known.mark.id === mark.id && (await hypervisor.state(name)) !== "absent") return name;
  await machines.claim(name, record);
  // A machine that an interrupted call left has never run.
  await hypervisor.destroy(name);
  const from = await templates.read(template.id);
  await hypervisor.define({
    name,
    vcpus,
    memoryMib,
    cdroms: [],
    nics: onHypervisor(nics),
    restarts: true,
    domainType: hypervisor.domainTypes.includes(from.mode) ? from.mode : "hvm",
    disks: from.disks.map((file, index) => ({
      slot: template.systemSlots[index] ?? index,
      mode: "write",
      content: way === "thin" ? { grownFrom: file } : { copyOf: file },
    })),
    ...(from.firmware && { firmware: from.firmware }),
    guest: { release: from.release },
  });
  await machines.write(name, { ...record, isMade: true });
  return name;
}

// On the hypervisor, the first nic is connected to the host, for logins to the guest.
function onHypervisor(nics: readonly NicWanted[]): Nic[] {
  return nics.map(({ network, mac, address }, index) => ({
    network: index === 0 ? buildNetwork : network,
    mac,
    ...(address !== undefined && { address }),
  }));
}

function networksOf(nics: readonly NicWanted[]): Record<string, string> {
  return Object.fromEntries(nics.map(({ mac, network }) => [mac, network]));
}

function gone(machine: string): TbuildError {
  return new TbuildError("environment", "was removed outside tbuild", {
    subject: machine,
    hint: "Run the command again to make a new plan.",
  });
}
