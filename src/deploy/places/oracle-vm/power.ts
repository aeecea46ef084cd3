import { TbuildError } from "../../../errors.ts";
import { sleep } from "../../../host/wait-for.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import type { Place } from "../../place.ts";

/** Starts and stops machines. `started` is called at each start. */
export function power(
  api: ManagerApi,
  signal: AbortSignal,
  started: (machine: string) => void,
): Pick<Place, "isRunning" | "start" | "stop"> {
  return {
    async isRunning(machine) {
      return (await api.vm(machine)).state === "running";
    },
    async start(machine) {
      if ((await api.vm(machine)).state === "running") return;
      await api.start(machine);
      started(machine);
    },
    async stop(machine, { graceMs, signal: stopSignal }) {
      if ((await api.vm(machine)).state === "stopped") return;
      const until = Date.now() + graceMs;
      // A job that lasts as long as the guest takes ends at the same deadline. The state of the guest counts,
      // not the result of the job.
      await api.stop(machine, Math.max(graceMs, 1000)).catch((error) => {
        if (!(error instanceof TbuildError) || signal.aborted || stopSignal?.aborted) throw error;
      });
      while ((await api.vm(machine)).state !== "stopped") {
        if (Date.now() >= until) return api.kill(machine);
        await sleep(2000, stopSignal ?? signal);
        if ((stopSignal ?? signal).aborted) return;
      }
    },
  };
}
