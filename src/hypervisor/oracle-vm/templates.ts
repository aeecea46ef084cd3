import { TbuildError } from "../../errors.ts";
import { disksOf, removeVm } from "../../manager/devices.ts";
import { readEach } from "../../manager/read-each.ts";
import type { Hypervisor, TemplateKeeper } from "../hypervisor.ts";
import { defineMachine } from "./define.ts";
import { isHalfOf, nameOfHalf } from "./marks.ts";
import type { MachineRecord } from "./record.ts";
import type { OracleVmSite } from "./site.ts";

/**
 * Templates of the Manager. A template is a clone of a machine that is removed afterwards, and has a name of that machine's until it is
 * complete: so what an interrupted call left can be told from a template.
 */
export function templates(site: OracleVmSite, destroy: Hypervisor["destroy"]): TemplateKeeper {
  const { records, there, known } = site;
  return {
    async find(label) {
      const { api } = await there();
      const all = await readEach(
        () => api.list("Vm"),
        ({ id }) => api.vm(id),
      );
      return all.find((one) => one.isTemplate !== false && (one.description ?? "").includes(label))?.id;
    },

    async make(spec, { name, label, domainType }) {
      const { api, pool, repository } = await there();
      if ((await api.list("Vm")).some((one) => one.name === name))
        throw new TbuildError("environment", "a machine or template of this name exists", {
          subject: `${api.name}: ${name}`,
          hint: "Remove or rename it there.",
        });
      await defineMachine(site, spec);
      const record = await known(spec.name);
      const keep = (template: Required<MachineRecord>["template"]) => records.write({ ...record, template });
      await api.editVm(record.id, { domainType, bootOrder: ["DISK"] });
      await keep({ disks: [], isNamed: false });
      const half = nameOfHalf(spec.name);
      const id = await api.cloneVm({ from: record.id, name: half, pool, repository, asTemplate: true });
      const disks = await disksOf(api, await api.vm(id));
      await keep({ disks, isNamed: true });
      await api.editVm(id, { name, description: label });
      await destroy(spec.name);
      return id;
    },
  };
}

/** Removes an incomplete template that was made of a machine. Gives the disks of a complete one, which are to stay. */
export async function removeHalf(
  { records, there }: Pick<OracleVmSite, "records" | "there">,
  record: MachineRecord,
): Promise<ReadonlySet<string>> {
  const { name, template } = record;
  if (template === undefined) return new Set();
  const { api } = await there();
  const halves = (await api.list("Vm")).filter((one) => isHalfOf(name, one.name));
  if (halves.length === 0 && template.isNamed) return new Set(template.disks);
  const disks = new Set(template.disks);
  for (const { id } of halves) {
    const seen = await api.vm(id);
    for (const disk of await disksOf(api, seen)) disks.add(disk);
    await records.write({ ...record, template: { disks: [...disks], isNamed: false } });
    await removeVm(api, seen);
  }
  for (const { id } of await api.list("VirtualDisk")) if (disks.has(id)) await api.deleteDisk(id);
  return new Set();
}
