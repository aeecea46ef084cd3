import { neededService } from "../../recipe/needed-services.ts";
import { Recipe } from "../../recipe/recipe.ts";
import type { Findings } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

const lists = [
  ["enabled", "enable"],
  ["disabled", "disable"],
] as const;

/** `services`: in every release, the last line of each list wins. */
export function takeServices(read: ReadLine, found: Findings): void {
  if (!read.has("enabled", "disabled")) found.leave(read, "it names no service");
  for (const [option, list] of lists) {
    const part = read.part(option);
    if (part === undefined) continue;
    found.once(`services --${option}`, part);
    found.services[list] = [];
    if (read.list(option).length === 0) found.leave(part, "it names no service");
    for (const name of read.list(option))
      if (list === "disable" && neededService(name, found.release))
        found.leave(read, `${name} stays enabled: tbuild logs in by ssh`);
      else if (!Recipe.shape.services.safeParse({ [list]: [name] }).success)
        found.leave(read, `"${name}" is not a service`);
      else found.addName("services", list, name, part);
  }
}

/** The installers disable first and enable second, so a service in both lists is enabled. */
export function finishServices(found: Findings): void {
  for (const name of found.services.enable ?? [])
    found.dropName(
      "services",
      "disable",
      name,
      `${name} is enabled as well, and the installer does that last`,
    );
}
