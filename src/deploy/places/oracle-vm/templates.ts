import { TbuildError } from "../../../errors.ts";
import type { ManagerApi, Named } from "../../../manager/api.ts";
import { makesPvm, noPvm } from "../../../manager/no-pvm.ts";
import { readEach } from "../../../manager/read-each.ts";
import { findOne } from "../../../manager/repeatable-creation.ts";
import { markIn, type PlacedTemplate, type TemplateWanted } from "../../place.ts";
import { mappingsOf } from "./seen.ts";

/** A template in the Manager: the one with this name, or the one of this version. */
export async function templateAt(api: ManagerApi, wanted: TemplateWanted): Promise<PlacedTemplate> {
  const name = "atPlace" in wanted ? wanted.atPlace : undefined;
  const found =
    name === undefined && "manifest" in wanted
      ? await imported(api, `${wanted.manifest.name}@${wanted.manifest.version}`)
      : await findOne(api, "Vm", name ?? "");
  const vm = await api.vm(found.id);
  if (vm.isTemplate === false)
    throw new TbuildError("usage", `${vm.name} is a virtual machine, not a template`, {
      subject: api.name,
    });
  const [mappings, vnics, { version }] = await Promise.all([
    mappingsOf(api, vm),
    Promise.all(vm.vnics.map(({ id }) => api.vnic(id))),
    api.about(),
  ]);
  const isRefused = vm.domainType === "XEN_PVM" && !makesPvm(version);
  return {
    id: vm.id,
    isThere: true,
    name: vm.name,
    systemSlots: mappings.flatMap(({ slot, device }) =>
      slot === undefined || device.kind === "empty" ? [] : [slot],
    ),
    memoryMib: vm.memoryMib ?? 1024,
    vcpus: vm.vcpus ?? 1,
    networks: vnics.flatMap(({ network }) => network?.name || []),
    ...(isRefused && { refused: `${vm.name} is paravirtual, and ${api.name} ${noPvm}` }),
  };
}

/** A template whose description names a version of tbuild's store, as `tbuild manager import --description` sets it. */
async function imported(api: ManagerApi, version: string): Promise<Named> {
  const vms = await readEach(
    () => api.list("Vm"),
    ({ id }) => api.vm(id),
  );
  const found = vms.filter(
    ({ isTemplate, description = "" }) =>
      isTemplate !== false && description.split(/\s+/).includes(version) && !markIn(description),
  );
  const [one] = found;
  if (one && found.length === 1) return one;
  throw new TbuildError(
    "usage",
    `has ${found.length === 0 ? "no template" : "several templates"} of ${version}`,
    {
      subject: api.name,
      lines: found.map(({ id, name }) => `${name} (${id})`),
      hint:
        found.length === 0
          ? `Import its bundle: tbuild manager import URL --description ${version}`
          : "Remove the others, or name the template as the Manager does.",
    },
  );
}
