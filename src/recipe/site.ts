import { z } from "zod";
import { waysIn } from "../choices.ts";

/** Local settings: everything that differs between two people who build the same recipe. */
export const Site = z.strictObject({
  /** Where masters and templates are kept. */
  store: z.string().optional(),
  /** Where ISOs from Oracle are put. */
  isoFolder: z.string().optional(),
  /** An ssh key that signs manifests; its public half serves when ssh-agent has the private one. */
  signingKey: z.string().optional(),
  hypervisor: z
    .strictObject({
      kind: z.literal("qemu").default("qemu"),
      /** `auto` tries /dev/kvm before it trusts it. */
      accelerator: z.enum(["auto", "kvm", "tcg"]).default("auto"),
      /** A fixed port on loopback for ssh to the machine that is built; else a free one is taken. */
      sshPort: z.int().min(1).max(65535).optional(),
    })
    .prefault({}),
  images: z.strictObject({ kind: z.enum(["auto", ...waysIn]).default("auto") }).prefault({}),
  /** Repository id → URL or folder of a mirror, used while building and never written into the guest. */
  mirrors: z.record(z.string(), z.string()).default({}),
  /** A proxy towards the repositories, used while building and never written into the guest. */
  proxy: z
    .string()
    .regex(/^https?:\/\/[\w.-]+(:\d+)?\/?$/, "a proxy such as http://proxy:3128")
    .optional(),
  /** Laid over every recipe: `machine.memory: 4G`, `packages.install+: [strace]`. */
  set: z.record(z.string().regex(/^[A-Za-z][\w.-]*\+?$/, "a key of a recipe"), z.unknown()).default({}),
});
export type Site = z.infer<typeof Site>;
