import type { DomainType, GuestMode } from "../choices.ts";
import type { Recipe } from "../recipe/recipe.ts";

// Oracle VM has no type for KVM. KVM's guests start like HVM guests.
const typeOf = {
  pvm: "XEN_PVM",
  pvhvm: "XEN_HVM_PV_DRIVERS",
  hvm: "XEN_HVM",
  kvm: "XEN_HVM",
} as const satisfies Record<GuestMode, DomainType>;

/** The recipe of one of the additional conversions. */
export function converted(recipe: Recipe, to: GuestMode | undefined): Recipe {
  if (to === undefined) return recipe;
  const bundles = recipe.convert.find((one) => one.to === to)?.bundles ?? recipe.bundles;
  return { ...recipe, name: furtherName(recipe, to), domainType: typeOf[to], bundles, convert: [] };
}

export function furtherName({ name }: Recipe, to: GuestMode): string {
  return `${name}-${to}`;
}
