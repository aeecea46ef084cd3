import { type Finding, refuse } from "../recipe/findings.ts";
import type { LoadedRecipe } from "../recipe/load.ts";
import { pathInFile } from "../recipe/located.ts";
import { majorOf } from "../recipe/recipe.ts";
import { checkAnswers, checkKickstart, checkNames } from "./check.ts";
import { checkDevices, includesMore } from "./check-devices.ts";
import type { KickstartFault } from "./part.ts";
import type { RenderedKickstart } from "./render.ts";

/** A fault of a rendered kickstart, and the value of the recipe that caused it. */
export type PlacedFault = KickstartFault &
  Finding & { /** The line of the kickstart. */ readonly source: string };

/**
 * Checks a kickstart against the table of its release, and traces each fault, also those in `further`, to the line of the
 * recipe that caused it.
 */
export function kickstartFaults(
  rendered: RenderedKickstart,
  loaded: LoadedRecipe,
  further: readonly KickstartFault[] = [],
): PlacedFault[] {
  const major = majorOf(loaded.recipe.release);
  const lines = rendered.text.split("\n");
  const faults = [
    ...checkKickstart(rendered.text, major, loaded.recipe.update),
    ...checkAnswers(rendered.text, major),
    ...checkNames(rendered.text, major),
    ...checkDevices(rendered.text, major),
    ...further,
  ];
  return faults.map((fault) => {
    // A line without a value of the recipe comes from the template that the recipe names.
    const path = rendered.origins.get(fault.line)?.[0] ?? [loaded.recipe.kickstart ? "kickstart" : "release"];
    return {
      ...fault,
      at: loaded.place(path),
      path: pathInFile(loaded.said, path),
      source: lines[fault.line - 1] ?? "",
    };
  });
}

/**
 * Throws if the installer of a disc would stop at a line of the file. Returns what it only warns about, or
 * would ask for. Releases outside the table are not checked.
 */
export function checkFile(
  file: string,
  text: string,
  { major, update }: { readonly major: number; readonly update?: number | undefined },
): string[] {
  if (major < 5 || major > 9)
    return [`${file}: not checked, as tbuild knows the installers of OL5 to OL9 only`];
  const faults = [
    ...checkKickstart(text, major, update),
    ...checkNames(text, major),
    ...checkDevices(text, major),
  ];
  const at = (line: number) => ({ file, line, column: 1 });
  refuse(
    `${file}: OL${major}${update === undefined ? "" : `.${update}`} would not install with it`,
    faults
      .filter((fault) => fault.severity === "error")
      .map((fault) => ({ at: at(fault.line), path: "", text: fault.text })),
  );
  // Missing commands may be in an included file.
  const asked = includesMore(text) ? [] : checkAnswers(text, major);
  return [
    ...faults.map((fault) => `${file}:${fault.line}: ${fault.text}`),
    ...asked.map((fault) => `${file}: ${fault.text}`),
  ];
}

/** Throws if the installer would stop at a line. */
export function refuseFaults(name: string, faults: readonly PlacedFault[]): void {
  const errors = faults.filter((fault) => fault.severity === "error");
  refuse(
    `${name}: its kickstart`,
    errors.map((fault) => ({ ...fault, text: `${fault.text} (line ${fault.line}: ${fault.source})` })),
  );
}
