import { rm } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import type { DirectBoot } from "../hypervisor.ts";
import type { MachineFiles } from "./machine.ts";
import { freePort, isFree } from "./ports.ts";
import { qemuArgs } from "./qemu-args.ts";

/** Starts qemu in the background. ssh uses the site's `fixedPort`, or a free port. */
export async function launch(
  host: Runner,
  files: MachineFiles,
  fixedPort: number | undefined,
  accelerator: "kvm" | "tcg",
  boot: DirectBoot | undefined,
): Promise<void> {
  const known = await files.read();
  const paths = { ...(await files.paths()), disks: known.disks };
  for (let attempt = 1; ; attempt++) {
    const sshPort = fixedPort ?? (await freePort());
    await files.write({ ...known, sshPort });
    await rm(paths.serialLog, { force: true });
    try {
      await host.run(qemuArgs(known.spec, paths, { accelerator, sshPort }, boot), { timeoutMs: 60_000 });
      return;
    } catch (error) {
      if (!(error instanceof TbuildError) || (await isFree(sshPort))) throw error;
      if (fixedPort !== undefined)
        throw new TbuildError("environment", `port ${fixedPort} on 127.0.0.1 is in use`, {
          hint: "Free it, or remove hypervisor.sshPort from the site file; tbuild then chooses a free port.",
          cause: error,
        });
      // Another process took the port after tbuild had checked it.
      if (attempt === 5) throw error;
    }
  }
}
