import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../model/digest.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { discard, fixedMacs, machineName, machineSpec } from "../guest-machine.ts";
import type { Step, StepContext } from "../step.ts";
import type { PublishedTemplate } from "./publish-template.ts";

export interface PlacedTemplate {
  /** The id that the hypervisor gave the template. */
  readonly placed: string;
  readonly label: string;
}

/** Also makes the published template a template of the hypervisor. */
export function placeTemplate(recipe: Recipe): Step<PublishedTemplate, PlacedTemplate> {
  return {
    name: "place-template",
    module: import.meta.url,
    runsMachine: true,
    describe: () => "also make it a template of the hypervisor",
    inputs: () => ({
      machine: JSON.stringify(recipe.machine),
      nics: recipe.nics.join(" "),
      "domain type": recipe.domainType,
    }),
    outdated: async ({ hypervisor }, { label, placed }) =>
      (await hypervisor.templates?.find(label)) === placed
        ? undefined
        : "the hypervisor no longer has the template",
    async run(context, { template, version }) {
      const keeper = context.hypervisor.templates;
      if (keeper === undefined) throw new Error("a hypervisor without templates was asked for one");
      const label = labelOf(`${context.name}@${version}`, template);
      const found = await keeper.find(label);
      if (found !== undefined) return { placed: found, label };
      const [disk = "", ...further] = await restored(context, template);
      const macs = fixedMacs(recipe.nics.length);
      const spec = machineSpec(
        recipe,
        machineName(context, "template"),
        { copyOf: disk },
        { macs, further: further.map((copyOf) => ({ copyOf })) },
      );
      context.progress("copying its disks");
      const name = `${context.name}-${version}`;
      const placed = await keeper.make(spec, { name, label, domainType: recipe.domainType });
      for (const file of [disk, ...further]) await rm(file);
      context.report({ type: "note", text: `${context.hypervisor.name} has it as the template ${name}` });
      return { placed, label };
    },
    cleanup: (context) => discard(context, "template"),
  };
}

/** The disks as published. Their version may differ from the one in the sealed image. */
async function restored({ store, out, signal }: StepContext, template: Digest): Promise<string[]> {
  const manifest = await store.get(template);
  if (manifest === undefined) throw new Error(`the template ${template} was published just now`);
  const files: string[] = [];
  for (const [index, disk] of manifest.disks.entries()) {
    const file = join(out, `disk${index}.img`);
    await store.restoreDisk(disk, file, signal);
    files.push(file);
  }
  return files;
}

/** Deployments find a template by the version in its description. */
function labelOf(version: string, template: Digest): string {
  return `${version} tbuild-${template.replace(/^sha256:/, "").slice(0, 16)}`;
}
