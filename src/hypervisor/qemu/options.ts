import { z } from "zod";
import { patienceOption } from "../patience-option.ts";

/** The site's options for qemu. */
export const QemuOptions = z.strictObject({
  accelerator: z
    .enum(["auto", "kvm", "tcg"])
    .default("auto")
    .describe("`auto` tests whether /dev/kvm works before it uses it."),
  sshPort: z
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe("A fixed port on 127.0.0.1 for ssh to the machine that is being built. Default: a free port."),
  patience: patienceOption("a busy machine. Without KVM, limits are three times as long as with it"),
});
export type QemuOptions = z.infer<typeof QemuOptions>;
