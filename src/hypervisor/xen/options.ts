import { z } from "zod";
import { sshAddress, trialAddresses } from "../addresses.ts";
import { patienceOption } from "../patience-option.ts";

/** The site's options for a Xen host. */
export const XenOptions = z.strictObject({
  host: sshAddress
    .optional()
    .describe("The ssh address of the Xen host (`root@dom0`). Default: this machine."),
  sshConfig: z.string().optional().describe("The ssh configuration file. Default: `~/.ssh/config`."),
  patience: patienceOption("a slow Xen host"),
  folder: z
    .string()
    .startsWith("/")
    .default("/var/lib/tbuild")
    .describe("A folder on the Xen host, for the disks of machines."),
  bridges: z
    .record(z.string(), z.string().regex(/^[\w.-]{1,15}$/, "the name of a bridge, such as xenbr0"))
    .refine((bridges) => "build" in bridges, "needs a bridge for the network build")
    .describe(
      "Network → bridge on the Xen host. `build` is required. Networks that are not listed use its bridge.",
    ),
  addresses: trialAddresses,
});
export type XenOptions = z.infer<typeof XenOptions>;
