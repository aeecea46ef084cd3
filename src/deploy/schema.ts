import { z } from "zod";
import { SizeMib } from "../recipe/recipe.ts";

function text(form: RegExp, words: string) {
  return z.string().regex(form, words).meta({ title: words });
}

const Name = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/, "a name of letters, digits and . _ -");
// Machine names of the hypervisors are in lower case, and qemu's are file names.
const MachineName = text(
  /^[a-z0-9](?:(?:[a-z0-9-]|\[\d{1,6}-\d{1,6}\])*(?:[a-z0-9]|\[\d{1,6}-\d{1,6}\]))?$/,
  "a name of lower-case letters, digits and -, such as vm001 or vm[001-050]; it does not end with -",
);
const NetworkName = text(/^[^\p{C}]{1,80}$/u, "the name of a network");
const Mac = text(
  /^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/,
  "a MAC address such as 00:21:f6:01:02:03",
).transform((mac) => mac.toLowerCase());
const Address = text(
  /^[\d.{}a-z+]+\/\d{1,2}$/,
  "an address with the length of its network, such as 192.0.2.11/24",
);
const Ip = text(/^\d{1,3}(?:\.\d{1,3}){3}$/, "an IPv4 address");

const Nic = z.strictObject({
  network: NetworkName.describe("The network, by its name in this file or at the place."),
  mac: Mac.optional().describe(
    "Its MAC address. The default is chosen once, under Oracle's prefix 00:21:f6.",
  ),
  address: Address.optional().describe(
    "A static address. tbuild then writes the messages for this interface: device, bootproto, ipaddr, netmask.",
  ),
  dhcp: z.boolean().optional().describe("The interface asks DHCP; tbuild writes the messages for it."),
  gateway: Ip.optional(),
  dns: z.array(Ip).max(3).optional().describe("Name servers."),
  search: z.array(Name).max(6).optional().describe("Search domains."),
});

const OwnDisk = z.strictObject({
  name: Name.describe("Its name in this machine. A renamed disk is a different disk."),
  size: SizeMib,
  storage: z
    .string()
    .min(1)
    .optional()
    .describe("Where the place keeps it, such as a repository of Oracle VM."),
});

const SharedDisk = z.strictObject({
  name: Name.describe("Its name in this deployment."),
  size: SizeMib,
  storage: z
    .string()
    .min(1)
    .optional()
    .describe("Where the place keeps it, such as a repository of Oracle VM."),
});

const Secret = z.union(
  [
    z.strictObject({ env: text(/^[A-Za-z_]\w*$/, "the name of an environment variable") }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ prompt: z.literal(true) }),
  ],
  "{ env: NAME }, { file: PATH } or { prompt: true }",
);
const Value = z.union(
  [z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()])), Secret],
  "a value, or { env: NAME }, { file: PATH } or { prompt: true }",
);
const Values = z.record(z.string().min(1).max(256), Value);

const Machine = z.strictObject({
  name: MachineName.describe("Its name; `vm[001-050]` stands for 50 machines."),
  template: z.string().min(1).optional().describe("A template that replaces the deployment's."),
  vcpus: z.int().min(1).max(128).optional().describe("The default is the template's."),
  memory: SizeMib.optional().describe("The default is the template's."),
  storage: z.string().min(1).optional().describe("Where the place keeps its system disks."),
  nics: z
    .array(Nic)
    .max(8)
    .optional()
    .describe("Its vnics, in order: eth0, eth1 … The default is one for each network of the template."),
  disks: z.array(OwnDisk).max(50).default([]).describe("Its own disks, after the system disks."),
  shared: z
    .array(Name)
    .max(50)
    .default([])
    .describe("Shared disks that it uses. A shared disk has the same slot in all machines."),
  values: Values.default({}).describe(
    "First-boot values, which override those of the deployment. `{name}`, `{number}` and `{number+10}` stand for the machine's name and its number in a range.",
  ),
});

/** Machines from templates, independent of the place. */
export const DeploymentFile = z.strictObject({
  name: text(/^[a-z0-9][a-z0-9-]{0,59}$/, "lower-case letters, digits and -").describe(
    "The deployment's name. Everything that it makes has this name.",
  ),
  template: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The template: `name`, `name@1.2.3`, `name@stable`; or `place:NAME` for a template that only the place knows.",
    ),
  clone: z
    .enum(["thin", "full"])
    .optional()
    .describe(
      "`thin`: system disks share blocks with the template. The default is what the place does best.",
    ),
  storage: z.string().min(1).optional().describe("Where the place keeps disks, such as a repository."),
  networks: z
    .record(NetworkName, NetworkName)
    .default({})
    .describe("Names of networks in this file → their names at the place."),
  shared: z
    .array(SharedDisk)
    .max(50)
    .default([])
    .describe("Disks that several machines write to. They are made once. Guests see them in this order."),
  machines: z.array(Machine).min(1).max(200).describe("The machines."),
  apart: z
    .array(z.array(MachineName).min(1))
    .default([])
    .describe("Groups of machines, each to be kept on different servers."),
  start: z
    .array(z.array(MachineName).min(1))
    .default([])
    .describe(
      "Start order: each group starts when the previous one is configured. All other machines start last.",
    ),
  values: Values.default({}).describe("First-boot values for all machines."),
  firstBoot: z
    .strictObject({
      confirm: z
        .enum(["report", "none"])
        .optional()
        .describe(
          "`report`: the guest reports that it is configured, as tbuild's additions do. `none`: tbuild does not wait, and the result is unknown. The default follows from the template.",
        ),
      wait: z
        .int()
        .min(0)
        .max(3600)
        .default(30)
        .describe("With `none`: seconds between start and first message."),
      timeout: z.int().min(10).max(7200).default(600).describe("Seconds for each machine to report."),
    })
    .prefault({}),
});
export type DeploymentFile = z.infer<typeof DeploymentFile>;
export type MachineEntry = DeploymentFile["machines"][number];

/** The JSON Schema of a deployment file, for editors. */
export function deploymentSchema(): object {
  const { $schema, ...whole } = z.toJSONSchema(DeploymentFile, { io: "input" }) as { $schema: string };
  return { $schema, title: "A deployment of tbuild", ...whole };
}
