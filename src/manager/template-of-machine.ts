import { type DomainType, domainTypes, type GuestMode, modeOf } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import type { ManagerApi, VmSeen } from "./api.ts";
import { disksOf, removeVm, slotsOf } from "./devices.ts";
import { makesPvm, noPvm } from "./no-pvm.ts";
import { chosen, createSteadily, findOne } from "./repeatable-creation.ts";

/*
 * A template of a machine is a clone, and its disks are copies: the machine stays as it is. The clone has an unfinished name until
 * its image is converted and sealed, so what an interrupted call left can be told from a template.
 */

/** A stopped machine, or an unfinished template of it. */
export interface Original {
  readonly vm: VmSeen;
  /** Its first disk, by ids. */
  readonly system: { readonly id: string; readonly repository: string };
  /** Names of the other disks. */
  readonly further: readonly string[];
}

/** Finds the machine, and refuses one that no template can be made of. */
export async function originalOf(api: ManagerApi, name: string): Promise<Original> {
  const vm = await api.vm((await findOne(api, "Vm", name)).id);
  const refuse = (what: string, hint: string) =>
    new TbuildError("usage", what, { subject: `${api.name}: ${vm.name}`, hint });
  if (vm.isTemplate) throw refuse("is a template already", "Clone it, and make a template of the clone.");
  if (vm.state !== "stopped") throw refuse(`is ${vm.state}`, "Shut it down first.");
  return await looked(api, vm, refuse);
}

async function looked(
  api: ManagerApi,
  vm: VmSeen,
  refuse: (what: string, hint: string) => TbuildError,
): Promise<Original> {
  const slots = (await slotsOf(api, vm)).toSorted((a, b) => (a.slot ?? 0) - (b.slot ?? 0));
  for (const { device } of slots)
    if (device.kind === "physical-disk")
      throw refuse(`has the physical disk ${device.name}`, "A template has virtual disks only. Detach it.");
  const ids = slots.flatMap(({ device }) => (device.kind === "virtual-disk" ? [device.id] : []));
  const disks = await Promise.all(ids.map((id) => api.disk(id)));
  const shared = disks.find(({ isShareable }) => isShareable);
  if (shared)
    throw refuse(`has the shared disk ${shared.name}`, "A clone would use the same disk. Detach it first.");
  const [system, ...further] = disks;
  const repository = system?.repository ?? vm.repository;
  if (!system || !repository) throw refuse("has no virtual disk", "A template needs one.");
  return {
    vm,
    system: { id: system.id, repository: repository.id },
    further: further.map((one) => one.name),
  };
}

/** Refuses what cannot become a template, before anything is made. */
export async function checkTemplate(
  api: ManagerApi,
  { name, mode }: { readonly name: string; readonly mode: GuestMode | undefined },
): Promise<void> {
  if (mode === "pvm" && !makesPvm((await api.about()).version))
    throw new TbuildError("environment", noPvm, { subject: api.name, hint: "Convert it with --to pvhvm." });
  if ((await api.list("Vm")).some((one) => one.name === name))
    throw new TbuildError("environment", "a machine or template of this name exists", {
      subject: `${api.name}: ${name}`,
      hint: "Choose another --name.",
    });
}

const unfinishedName = (name: string) => `${name}.tbuild-unfinished`;

/** Clones the machine as a template with an unfinished name. First removes what an interrupted call left of it. */
export async function clonedTemplate(
  api: ManagerApi,
  { vm, system }: Original,
  {
    name,
    pool,
    forget,
  }: {
    readonly name: string;
    readonly pool: string | undefined;
    /** Removes what lies beside a disk's image, before the disk is removed. */
    readonly forget: (disk: Original["system"]) => Promise<void>;
  },
): Promise<Original> {
  const half = unfinishedName(name);
  const own = new Set(await disksOf(api, vm));
  const remove = async (id: string) => {
    const seen = await api.vm(id);
    const copies = (await disksOf(api, seen)).filter((disk) => !own.has(disk));
    for (const disk of copies)
      await forget({ id: disk, repository: (await api.disk(disk)).repository?.id ?? system.repository });
    await removeVm(api, seen);
    for (const disk of copies) await api.deleteDisk(disk);
  };
  for (const one of await api.list("Vm")) if (one.name === half) await remove(one.id);
  const wanted = {
    from: vm.id,
    name: half,
    pool: vm.pool?.id ?? (await chosen(api, "ServerPool", pool)).id,
    repository: system.repository,
    asTemplate: true,
  };
  const id = await createSteadily({
    what: `template ${half}`,
    name: half,
    list: () => api.list("Vm"),
    create: () => api.cloneVm(wanted),
    matches: async () => false,
    remove,
  });
  const clone = await looked(
    api,
    await api.vm(id),
    (what) => new TbuildError("environment", what, { subject: half }),
  );
  if (!own.has(clone.system.id)) return clone;
  throw new TbuildError("environment", `cloned ${vm.name} without copying its disk`, {
    subject: api.name,
    hint: `Remove ${half} there; its disk is the machine's.`,
  });
}

/** Gives an unfinished template its domain type, its boot order and its name, and takes its discs out. */
export async function finishTemplate(
  api: ManagerApi,
  { vm }: Original,
  wanted: { readonly name: string; readonly description: string; readonly mode: GuestMode | undefined },
): Promise<void> {
  for (const { id, device } of await slotsOf(api, vm))
    if (device.kind === "cdrom") await api.deleteMapping(id);
  const domainType = domainTypeOf(wanted.mode);
  await api.editVm(vm.id, { bootOrder: ["DISK"], ...(domainType && { domainType }) });
  const { name, description } = wanted;
  await api.editVm(vm.id, { name, description });
}

function domainTypeOf(mode: GuestMode | undefined): DomainType | undefined {
  return domainTypes.find((one) => modeOf[one] === mode);
}
