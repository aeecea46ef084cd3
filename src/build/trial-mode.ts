import type { GuestMode } from "../choices.ts";
import type { Additions, Hypervisor } from "../hypervisor/hypervisor.ts";
import type { MadeTemplate } from "./master.ts";

/** The mode in which clones of the template boot, or why no clone boots. */
export type TrialMode = { readonly mode: GuestMode } | { readonly why: string };

/** Whether clones can be tried. `additions`: the rehearsal medium installs tbuild's own; Oracle's media install Oracle's. */
export function trialMode(
  hypervisor: Hypervisor,
  { recipe, mode }: MadeTemplate,
  additions: Additions,
): TrialMode {
  if (recipe.trial.clones === 0) return { why: "the recipe asks for no clones" };
  const isReached = recipe.firstBoot.detect === "mac" || hypervisor.messages?.reaches.includes(additions);
  if (!isReached)
    return {
      why: `${hypervisor.name} has no channel for the first-boot messages of ${additions === "oracle" ? "Oracle's" : "tbuild's"} guest additions`,
    };
  // A converted image still boots as an HVM guest.
  return { mode: hypervisor.domainTypes.includes(mode) ? mode : "hvm" };
}
