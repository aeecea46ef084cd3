import { TbuildError } from "../../errors.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { Hypervisor, Stopped } from "../hypervisor.ts";
import { ejectBootDisc, insertBootDisc } from "./discs.ts";
import { deviceScript, domainScript, drainedScript, followingScript, watchScript } from "./servers.ts";
import type { OracleVmSite } from "./site.ts";

/** Starts and stops machines. `onStart` is called before the guest can send anything. */
export function power(
  site: OracleVmSite,
  onStart: (vm: string, id: string) => Promise<void>,
): Pick<Hypervisor, "start" | "stop" | "waitStopped"> {
  const { there, known, state, place, records, servers } = site;

  const waitStopped: Hypervisor["waitStopped"] = async (vm, { timeoutMs, signal }) => {
    const stopped = await waitFor<Stopped>(
      `${vm}: power-off`,
      async () => ((await state(vm)) === "running" ? undefined : "guest-shutdown"),
      { timeoutMs, everyMs: 2000, ...(signal && { signal }) },
    );
    const { on, paths } = await place(vm);
    await on.run(["sh", "-c", drainedScript, paths.folder], signal && { signal });
    return stopped;
  };

  return {
    waitStopped,

    async start(vm, boot) {
      const record = await known(vm);
      const { id } = record;
      const { api } = await there();
      const wasInserted = await ejectBootDisc(site, vm, id);
      if (boot) await insertBootDisc(site, vm, record, boot);
      if (boot || wasInserted)
        await api.editVm(id, { bootOrder: boot ? ["CDROM", "DISK"] : ["DISK", "CDROM"] });
      await onStart(vm, id);
      await api.start(id);
      const seen = await api.vm(id);
      await records.write({ ...record, server: seen.server?.name ?? servers.firstName });
      const { on, paths } = await place(vm);
      await on.run(["sh", "-c", watchScript, paths.folder, id, domainScript, deviceScript, followingScript]);
    },

    async stop(vm, how = { force: false }) {
      if ((await state(vm)) !== "running") return;
      const { id } = await known(vm);
      const { api } = await there();
      if (how.force) return api.kill(id);
      const until = Date.now() + (how.graceMs ?? 60_000);
      // The state of the guest counts, not the result of the Manager's job.
      await api.stop(id, Math.max(1000, until - Date.now())).catch((error) => {
        if (!(error instanceof TbuildError)) throw error;
      });
      await waitStopped(vm, { timeoutMs: Math.max(1000, until - Date.now()) });
    },
  };
}
