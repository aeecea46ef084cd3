import { z } from "zod";
import { ipv4, sshAddress, trialAddresses, trialAddressesMeaning } from "../addresses.ts";
import { patienceOption } from "../patience-option.ts";

/** The site's options for building on Oracle VM, besides its key `manager`. */
export const OracleVmOptions = z.strictObject({
  servers: z
    .record(z.string(), sshAddress)
    .refine((servers) => Object.keys(servers).length > 0, "needs at least one server")
    .describe(
      "Oracle VM Servers: the Manager's name of each → its ssh address (`root@ovs1`). tbuild reads disks and consoles there. List every server that a machine of the pool may run on.",
    ),
  sshConfig: z.string().optional().describe("The ssh configuration file. Default: `~/.ssh/config`."),
  repositories: z
    .string()
    .startsWith("/")
    .default("/OVS/Repositories")
    .describe("Where repositories are mounted on these servers."),
  networks: z
    .record(z.string(), z.string())
    .refine((networks) => "build" in networks, "needs a network for the network build")
    .describe(
      "Network of a recipe → network of the Manager. `build` is required. Networks that are not listed use the one of `build`.",
    ),
  addresses: trialAddresses
    .extend({
      loopback: ipv4
        .optional()
        .describe(
          "The address at which guests reach the loopback of tbuild's machine. Only for a simulated Manager with machines on this host.",
        ),
    })
    .describe(trialAddressesMeaning),
  additions: z
    .array(z.enum(["oracle", "tbuild"]))
    .default(["oracle"])
    .describe(
      "The guest additions that receive the Manager's messages. Rehearsals use `tbuild`'s, which are tested with a simulated Manager only.",
    ),
  convertOn: z
    .enum(["here", "server"])
    .default("here")
    .describe(
      "Where builds convert and seal the image: on tbuild's machine, or by kpartx on the first server, over ssh. The image then travels there and back for each of the two steps.",
    ),
  templates: z.boolean().default(true).describe("Also make a template in the Manager at the end of a build."),
  patience: patienceOption("slow servers"),
});
export type OracleVmOptions = z.infer<typeof OracleVmOptions>;
