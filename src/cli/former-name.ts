import { Option } from "commander";

/** The old name of a flag: it works as before, and the help does not show it. `option` is the new name, in camelCase. */
export function formerName(flag: string, option: string): Option {
  return new Option(flag).hideHelp().implies({ [option]: true });
}
