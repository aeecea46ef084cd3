import { z } from "zod";

/** The option `patience` of a hypervisor: a factor for time limits. `host` completes its description. */
export function patienceOption(host: string) {
  return z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe(`A factor for all time limits of guests and of ssh, for ${host}.`);
}
