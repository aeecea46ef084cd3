import { size } from "../io/units.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { OpenedSite } from "./opened-site.ts";
import type { Pipeline } from "./pipeline.ts";
import type { PlannedStep } from "./planned.ts";

/**
 * Names the steps whose disks are copied to another host and back. No lines if all steps work on this
 * machine.
 */
export function whereStepsWork(
  { hypervisor: { disksOn, bench } }: Pick<OpenedSite, "hypervisor">,
  { steps }: Pick<Pipeline<object>, "steps">,
  planned: readonly PlannedStep[],
  { machine, disks }: Pick<Recipe, "machine" | "disks">,
): string[] {
  const running = new Set(planned.flatMap(({ step, kept }) => (kept ? [] : step)));
  const due = steps.filter(({ name }) => running.has(name));
  const named = (list: typeof due) => list.map(({ name }) => name).join(", ");
  const inMachines = disksOn === undefined ? [] : due.filter(({ runsMachine }) => runsMachine);
  const onBench = bench === undefined ? [] : due.filter(({ changesImage }) => changesImage);
  const rest = bench === undefined ? ", such as the conversion," : "";
  const mib = machine.disk + disks.reduce((sum, disk) => sum + disk.size, 0);
  const most = size(mib * 2 ** 20);
  const lines = [
    ...(inMachines.length === 0
      ? []
      : [
          `${named(inMachines)}: on ${disksOn}, so the disk is copied there and back (up to ${most}, without its holes)`,
        ]),
    ...(onBench.length === 0
      ? []
      : [`${named(onBench)}: by kpartx on ${bench?.name}; each copies the system disk there and back`]),
  ];
  const last = lines.pop();
  return last === undefined ? [] : [...lines, `${last}; all other steps${rest} work on this machine`];
}
