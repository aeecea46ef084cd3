import type { GuestMode } from "../choices.ts";
import type { Additions } from "../hypervisor/hypervisor.ts";
import type { Ingredients } from "./master.ts";
import type { BuildRequest } from "./request.ts";
import type { Workshop } from "./workshop.ts";

// The rehearsal medium installs tbuild's own additions; Oracle's media install Oracle's.
function additionsOf(request: BuildRequest): Additions {
  return request.rehearse ? "tbuild" : "oracle";
}

/** The mode in which clones of the template boot; `undefined` if there is no boot trial. */
export function trialMode(
  { hypervisor }: Workshop,
  { made: { recipe, mode } }: Ingredients,
  request: BuildRequest,
): GuestMode | undefined {
  const isReached =
    recipe.firstBoot.detect === "mac" || hypervisor.messages?.reaches.includes(additionsOf(request));
  if (request.noTrial || recipe.trial.clones === 0 || !isReached) return undefined;
  // A converted image still boots as HVM.
  return hypervisor.domainTypes.includes(mode) ? mode : "hvm";
}

export function noTrial({ hypervisor }: Workshop, { recipe }: Ingredients, request: BuildRequest): string {
  const why = request.noTrial
    ? "--no-trial"
    : recipe.trial.clones === 0
      ? "the recipe asks for no clones"
      : `${hypervisor.name} has no channel for the first-boot messages of ${additionsOf(request) === "oracle" ? "Oracle's" : "tbuild's"} guest additions`;
  return `no boot trial: ${why}; the image is audited, but not booted`;
}
