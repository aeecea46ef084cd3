import { type DomainType, domainTypes, modeOf } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { createSteadily } from "../../manager/repeatable-creation.ts";
import type { VmSpec } from "../hypervisor.ts";
import { insertDisc } from "./discs.ts";
import { diskMade } from "./disks.ts";
import { discName, markOf, mayBeOf } from "./marks.ts";
import type { MachineRecord } from "./record.ts";
import type { OracleVmSite } from "./site.ts";

/** Makes a machine in the Manager, with its network cards, disks and discs. Each step is recorded before the next. */
export async function defineMachine(site: OracleVmSite, spec: VmSpec): Promise<void> {
  const { name: vm } = spec;
  const { records } = site;
  refuse(spec);
  await proveAbsent(site, vm);
  const lastSlot = Math.max(-1, ...spec.disks.map(({ slot }) => slot));
  const isBlank = spec.disks.some(({ slot, content }) => slot === 0 && "blank" in content);
  let record: MachineRecord = {
    name: vm,
    nics: spec.nics,
    disks: [],
    bootSlot: lastSlot + 1,
  };
  const keep = async (more: Partial<MachineRecord>) => {
    record = { ...record, ...more };
    await records.write(record);
  };
  await keep({});
  const id = await createMachine(site, spec);
  await keep({ id });
  await addNics(site, spec, id);
  const { api, repository } = await site.there();
  const making = {
    api,
    repository,
    here: site.here,
    server: site.servers.first,
    files: site.filesIn(repository),
    fileOf: site.fileOf,
  };
  for (const disk of spec.disks) {
    const made = await diskMade(making, vm, disk);
    await keep({ disks: [...record.disks, made] });
    const { slot, mode } = disk;
    await api.createMapping(id, slot, { virtualDisk: made.id, mode }, `${vm} slot ${slot}`);
  }
  // The BIOS starts the first drive. For an installation, that drive is reserved for a boot disc.
  for (const [index, file] of spec.cdroms.entries())
    await insertDisc(site, vm, id, {
      file,
      name: discName(vm, `cd${index}`),
      slot: record.bootSlot + (isBlank ? 1 : 0) + index,
    });
}

function refuse({ name, disks, firmware }: VmSpec): void {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new Error(`bad machine name ${name}`);
  const why = disks.some(({ mode }) => mode === "read-only")
    ? "has no read-only disks"
    : firmware === "uefi" && "cannot start a machine by UEFI";
  if (why !== false) throw new TbuildError("usage", why, { subject: `Oracle VM, for ${name}` });
}

async function proveAbsent({ records, there }: OracleVmSite, vm: string): Promise<void> {
  const exists = (hint: string) =>
    new TbuildError("environment", "a machine of this name exists", { subject: vm, hint });
  if (await records.read(vm)) throw exists("Remove it with: tbuild clean");
  const { api } = await there();
  if ((await api.list("Vm")).some(({ name }) => name === vm))
    throw exists(`tbuild did not make it here. Check it in ${api.name}.`);
}

async function createMachine({ there }: OracleVmSite, spec: VmSpec): Promise<string> {
  const { name: vm } = spec;
  const { api, pool, repository } = await there();
  return createSteadily({
    what: `machine ${vm}`,
    name: vm,
    list: () => api.list("Vm"),
    create: async () =>
      api.createVm({
        name: vm,
        description: markOf(vm),
        pool,
        repository,
        memoryMib: spec.memoryMib,
        vcpus: spec.vcpus,
        domainType: domainTypeOf(spec),
        bootOrder: ["DISK", "CDROM"],
        ...osTypeOf(spec, (await api.about()).version),
      }),
    matches: async (one) => mayBeOf(vm, (await api.vm(one)).description),
    remove: (half) => api.deleteVm(half),
  });
}

async function addNics({ there }: OracleVmSite, { name: vm, nics }: VmSpec, id: string): Promise<void> {
  const { api, network } = await there();
  for (const nic of nics)
    await api
      .createVnic(id, { network: network(nic.network) ?? "", mac: nic.mac, description: markOf(vm) })
      .catch((error) => {
        if (!(error instanceof TbuildError) || error.code !== "failed") throw error;
        throw error.with({
          hint: `Is ${nic.mac} in use there? All builds use the same MACs, so one Manager runs one build at a time. A machine that was kept has them, too: tbuild clean`,
        });
      });
}

function domainTypeOf({ domainType }: VmSpec): DomainType {
  const found = domainTypes.find((one) => modeOf[one] === domainType);
  if (found) return found;
  throw new TbuildError("usage", `runs no ${domainType} machines`, { subject: "Oracle VM" });
}

// Names of 3.3 and later (python-ovmclient), which end with Oracle Linux 7. The names of 3.2 are unknown.
function osTypeOf({ guest: { release } }: VmSpec, version: string): { readonly osType?: string } {
  return release > 7 || version.startsWith("3.2") ? {} : { osType: `Oracle Linux ${release}` };
}
