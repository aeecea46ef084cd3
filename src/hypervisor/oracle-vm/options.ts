import { z } from "zod";
import { ipv4, sshAddress, trialAddresses, trialAddressesMeaning } from "../addresses.ts";

/** What a site says of building on Oracle VM, beside its key `manager`. */
export const OracleVmOptions = z.strictObject({
  servers: z
    .record(z.string(), sshAddress)
    .refine((servers) => Object.keys(servers).length > 0, "needs at least one server")
    .describe(
      "Oracle VM Servers, by the Manager's name of each → its address for ssh (`root@ovs1`). Disks and consoles are read there. Name all that a machine of the pool may run on.",
    ),
  sshConfig: z.string().optional().describe("Another file than `~/.ssh/config`."),
  repositories: z
    .string()
    .startsWith("/")
    .default("/OVS/Repositories")
    .describe("Where repositories are mounted on these servers."),
  networks: z
    .record(z.string(), z.string())
    .refine((networks) => "build" in networks, "needs a network for the network build")
    .describe(
      "Network of a recipe → network of the Manager. `build` is required; a network that is not named is on its network.",
    ),
  addresses: trialAddresses
    .extend({
      loopback: ipv4
        .optional()
        .describe(
          "Where guests reach the loopback of tbuild's machine. Only a simulated Manager with machines on this host has it.",
        ),
    })
    .describe(trialAddressesMeaning),
  additions: z
    .array(z.enum(["oracle", "tbuild"]))
    .default(["oracle"])
    .describe(
      "Whose guest additions hear the Manager's messages. Those of a rehearsal are `tbuild`, which only a simulated Manager is known to reach.",
    ),
  templates: z
    .boolean()
    .default(true)
    .describe("Whether a build ends with a template in the Manager, beside the one in tbuild's store."),
  patience: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe("How many times as long as usual guests may take, on slow servers."),
});
export type OracleVmOptions = z.infer<typeof OracleVmOptions>;
