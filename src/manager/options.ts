import { z } from "zod";
import { releases } from "./cli/dialect.ts";

const Password = z.union(
  [
    z.strictObject({ env: z.string().regex(/^[A-Za-z_]\w*$/, "the name of an environment variable") }),
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ prompt: z.literal(true) }),
  ],
  "a site contains a password only by reference: { env: NAME }, { file: PATH } or { prompt: true }",
);

const Port = z.int().min(1).max(65535);

/** How a site reaches Oracle VM Manager: the key `manager` of a site file. */
export const ManagerOptions = z.strictObject({
  host: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]+$/, "a host name or an address")
    .describe("The host that Oracle VM Manager runs on."),
  via: z
    .enum(["ssh", "rest"])
    .default("ssh")
    .describe("`ssh`: the command line interface (3.2 to 3.4). `rest`: the web services (3.3 and later)."),
  port: Port.optional().describe("Default: 10000 for `ssh`, 7002 for `rest`."),
  user: z
    .string()
    .regex(/^[^\p{Cc}:]+$/u, "a user name, without a colon")
    .default("admin")
    .describe("The user of the Manager."),
  password: Password.optional().describe(
    "Where the password is kept: `{ env: NAME }`, `{ file: PATH }`, or `{ prompt: true }` to be asked.",
  ),
  key: z
    .string()
    .optional()
    .describe(
      "A private ssh key, for `ssh`. The Manager still asks for the password at the first login and after its restart.",
    ),
  hostKey: z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, "a fingerprint as ssh-keygen -l prints it: SHA256:…")
    .optional()
    .describe("The fingerprint of the ssh host key. Default: the one that `tbuild manager trust` recorded."),
  certificate: z
    .string()
    .regex(/^([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}$/, "a SHA-256 fingerprint: AB:CD:… (32 bytes)")
    .optional()
    .describe(
      "The SHA-256 fingerprint of the certificate, for `rest`. Default: the one that `tbuild manager trust` recorded.",
    ),
  oldAlgorithms: z
    .boolean()
    .default(false)
    .describe("Allow ssh algorithms and TLS versions that are no longer secure, but that old Managers need."),
  release: z
    .enum(releases)
    .optional()
    .describe("The dialect of the CLI. Default: the release that the Manager reports."),
  output: z
    .enum(["verbose", "xml"])
    .default("verbose")
    .describe("The output mode of the CLI for lists and objects."),
  pool: z.string().optional().describe("The server pool for new machines. Default: the only one."),
  repository: z
    .string()
    .optional()
    .describe("The repository for new machines, disks and imports. Default: the only one."),
  server: z
    .string()
    .optional()
    .describe("The Oracle VM Server that fetches imports; 3.2 requires one. Default: the first of the pool."),
  here: z
    .strictObject({
      address: z
        .string()
        .regex(/^[\w.-]+$/, "a host name or an IPv4 address")
        .optional()
        .describe("Default: the address from which tbuild reaches the Manager."),
      port: Port.optional().describe("Default: any free port."),
    })
    .prefault({})
    .describe(
      "Where the Manager's servers fetch files from tbuild by http during imports of discs and local bundles.",
    ),
  commandMinutes: z
    .number()
    .min(0.01)
    .max(720)
    .default(10)
    .describe("The deadline of one command or job, such as a start, in minutes."),
  copyMinutes: z
    .number()
    .min(0.01)
    .max(1440)
    .default(240)
    .describe("The deadline of a job that copies disks: a clone or an import, in minutes."),
  guestSeconds: z
    .number()
    .min(0)
    .max(3600)
    .default(30)
    .describe("The time between a machine's start and its first message. Its additions must run by then."),
});
export type ManagerOptions = z.infer<typeof ManagerOptions>;

const ports = { ssh: 10_000, rest: 7002 } as const;

export function portOf({ port, via }: Pick<ManagerOptions, "port" | "via">): number {
  return port ?? ports[via];
}
