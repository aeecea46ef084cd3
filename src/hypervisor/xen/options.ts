import { z } from "zod";
import { sshAddress, trialAddresses } from "../addresses.ts";

/** What a site says of a Xen host. */
export const XenOptions = z.strictObject({
  host: sshAddress
    .optional()
    .describe("The Xen host, as ssh takes it (`root@dom0`); without it, this machine."),
  sshConfig: z.string().optional().describe("Another file than `~/.ssh/config`."),
  patience: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe("How many times as long as usual guests may take, on a slow Xen host."),
  folder: z
    .string()
    .startsWith("/")
    .default("/var/lib/tbuild")
    .describe("A folder on the Xen host, for the disks of machines."),
  bridges: z
    .record(z.string(), z.string().regex(/^[\w.-]{1,15}$/, "the name of a bridge, such as xenbr0"))
    .refine((bridges) => "build" in bridges, "needs a bridge for the network build")
    .describe(
      "Network → bridge on the Xen host. `build` is required; a network that is not named is on its bridge.",
    ),
  addresses: trialAddresses,
});
export type XenOptions = z.infer<typeof XenOptions>;
