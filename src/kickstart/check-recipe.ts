import { type Finding, refuse } from "../recipe/findings.ts";
import type { LoadedRecipe } from "../recipe/load.ts";
import { majorOf } from "../recipe/recipe.ts";
import { checkAnswers, checkKickstart } from "./check.ts";
import type { KickstartFault } from "./part.ts";
import type { RenderedKickstart } from "./render.ts";

/** What the installer would say of a kickstart, and what in the recipe made it so. */
export type PlacedFault = KickstartFault &
  Finding & { /** The line of the kickstart. */ readonly source: string };

/** Puts a kickstart to the table of its release, and every fault to the recipe's line that caused it. */
export function kickstartFaults(rendered: RenderedKickstart, loaded: LoadedRecipe): PlacedFault[] {
  const major = majorOf(loaded.recipe.release);
  const lines = rendered.text.split("\n");
  return [...checkKickstart(rendered.text, major), ...checkAnswers(rendered.text, major)].map((fault) => {
    // A line without a value of the recipe is there because of the template that the recipe names.
    const path = rendered.origins.get(fault.line)?.[0] ?? [loaded.recipe.kickstart ? "kickstart" : "release"];
    return {
      ...fault,
      at: loaded.place(path),
      path: path.map(String).join("."),
      source: lines[fault.line - 1] ?? "",
    };
  });
}

/** Throws when the installer would stop at a line. */
export function refuseFaults(name: string, faults: readonly PlacedFault[]): void {
  const errors = faults.filter((fault) => fault.severity === "error");
  refuse(
    `${name}: its kickstart`,
    errors.map((fault) => ({ ...fault, text: `${fault.text} (line ${fault.line}: ${fault.source})` })),
  );
}
