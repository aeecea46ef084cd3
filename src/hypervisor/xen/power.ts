import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { Hypervisor, Stopped } from "../hypervisor.ts";
import { xenConfig } from "./config.ts";
import { shutdownReasons } from "./domains.ts";
import type { XenMachines } from "./machines.ts";
import type { XenOptions } from "./options.ts";
import { waitScript } from "./scripts.ts";
import { brought, startDomain } from "./start.ts";

/** Starts and stops machines. */
export function power(
  { host, folder, paths, definitionOf, state, destroyDomain }: XenMachines,
  { bridges, patience }: Pick<XenOptions, "bridges" | "patience">,
): Pick<Hypervisor, "start" | "stop" | "waitStopped"> {
  const waitStopped: Hypervisor["waitStopped"] = (vm, { timeoutMs, signal }) =>
    waitFor<Stopped>(
      `${vm}: power-off`,
      async (last) => {
        const seconds = last ? 1 : Math.max(1, Math.min(15, Math.ceil(timeoutMs / 1000)));
        const argv = ["sh", "-c", waitScript, paths(vm).folder, String(seconds)];
        const { stdout } = await host.run(argv, signal && { signal });
        if (Number(stdout.trim().split(/\s+/)[3]) < leastFreeKib) throw hostIsFull(vm, host, folder);
        if ((await state(vm)) === "running") return undefined;
        const reason = await host.readFile(paths(vm).reason);
        return stoppedBy(reason && new TextDecoder().decode(reason));
      },
      { timeoutMs, everyMs: 300, ...(signal && { signal }) },
    );

  return {
    waitStopped,

    async start(vm, boot) {
      const definition = await definitionOf(vm);
      const given = boot && (await brought(host, boot, paths(vm).folder));
      await host.writeFile(paths(vm).config, xenConfig(definition, bridges, given), 0o600);
      const console = definition.domainType === "pvm" ? "console/tty" : "serial/0/tty";
      const restarts = definition.restarts === true;
      await startDomain(host, paths(vm).folder, { vm, console, restarts, tries: patience > 1 ? 3 : 1 });
    },

    async stop(vm, how = { force: false }) {
      if ((await state(vm)) !== "running") return;
      if (how.force) return destroyDomain(vm);
      // One without Xen's drivers gets the ACPI event instead.
      await host.run(["xl", "shutdown", "-F", vm]);
      await waitStopped(vm, { timeoutMs: how.graceMs ?? 60_000 });
    },
  };
}

const leastFreeKib = 2048;

function stoppedBy(reason: string | undefined): Stopped {
  if (reason === undefined || reason.trim() === "") return "killed";
  if (Number(reason) === shutdownReasons.poweroff) return "guest-shutdown";
  return Number(reason) === shutdownReasons.reboot ? "guest-reset" : "killed";
}

function hostIsFull(vm: string, host: Host, folder: string): TbuildError {
  return new TbuildError("environment", `the disk of ${host.name} is full: ${folder}`, {
    subject: vm,
    code: "disk-full",
    hint: "Free some space there, and start again; finished steps are cached.",
  });
}
