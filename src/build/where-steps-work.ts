import { size } from "../io/units.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { Pipeline, PlannedStep } from "./pipeline.ts";
import type { Workshop } from "./workshop.ts";

/** A line about the steps whose disks are copied to another host and back; none if all work on this machine. */
export function whereStepsWork(
  { hypervisor: { disksOn } }: Pick<Workshop, "hypervisor">,
  { steps }: Pick<Pipeline<object>, "steps">,
  planned: readonly PlannedStep[],
  { machine, disks }: Pick<Recipe, "machine" | "disks">,
): string[] {
  if (disksOn === undefined) return [];
  const running = new Set(planned.flatMap(({ step, kept }) => (kept ? [] : step)));
  const names = steps.flatMap(({ name, runsMachine }) => (runsMachine && running.has(name) ? name : []));
  if (names.length === 0) return [];
  const mib = machine.disk + disks.reduce((sum, disk) => sum + disk.size, 0);
  return [
    `${names.join(", ")}: on ${disksOn}, so the disk travels there and back (up to ${size(mib * 2 ** 20)}, without its holes); all other steps, such as the conversion, work on this machine`,
  ];
}
