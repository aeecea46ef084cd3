import type { Digest } from "../../model/digest.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { discard, fixedMacs, machineName, machineSpec } from "../guest-machine.ts";
import type { Step } from "../step.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";
import type { PublishedTemplate } from "./publish-template.ts";
import type { SealedImage } from "./seal-image.ts";

export interface PlacedTemplate {
  /** The hypervisor's id of it. */
  readonly placed: string;
  readonly label: string;
}

/** Makes the published template one of the hypervisor's own, too. */
export function placeTemplate(
  recipe: Recipe,
): Step<SealedImage & ProvisionedGuest & PublishedTemplate, PlacedTemplate> {
  return {
    name: "place-template",
    module: import.meta.url,
    describe: () => "make it a template of the hypervisor, too",
    inputs: () => ({
      machine: JSON.stringify(recipe.machine),
      nics: recipe.nics.join(" "),
      "domain type": recipe.domainType,
    }),
    valid: async ({ hypervisor }, { label, placed }) => (await hypervisor.templates?.find(label)) === placed,
    async run(context, { image, furtherDisks, template, version }) {
      const keeper = context.hypervisor.templates;
      if (keeper === undefined) throw new Error("a hypervisor without templates was asked for one");
      const label = labelOf(`${context.name}@${version}`, template);
      const found = await keeper.find(label);
      if (found !== undefined) return { placed: found, label };
      const further = furtherDisks.map((copyOf) => ({ copyOf }));
      const macs = fixedMacs(recipe.nics.length);
      const spec = machineSpec(
        recipe,
        machineName(context, "template"),
        { copyOf: image },
        { macs, further },
      );
      context.progress("copying its disks");
      const name = `${context.name}-${version}`;
      const placed = await keeper.make(spec, { name, label, domainType: recipe.domainType });
      context.report({ type: "note", text: `${context.hypervisor.name} has it as the template ${name}` });
      return { placed, label };
    },
    cleanup: (context) => discard(context, "template"),
  };
}

/** Deployments find a template by the version in its description. */
function labelOf(version: string, template: Digest): string {
  return `${version} tbuild-${template.replace(/^sha256:/, "").slice(0, 16)}`;
}
