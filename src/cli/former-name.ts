import { Option } from "commander";

/** A flag's old name. It still works, but help does not show it. `option` is the new name in camelCase. */
export function formerName(flag: string, option: string): Option {
  return new Option(flag).hideHelp().implies({ [option]: true });
}
