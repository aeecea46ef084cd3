import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { TbuildError } from "../../errors.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { Hypervisor, Stopped } from "../hypervisor.ts";
import type { MachineFiles } from "./machine.ts";
import { pidOf } from "./process.ts";
import type { Qmp } from "./qmp.ts";

/**
 * Waits until a machine has stopped, and returns how. Throws if the host's disk is full, which stops it for
 * good.
 */
export async function waitStopped(
  vm: string,
  { folder }: MachineFiles,
  monitor: Qmp | undefined,
  wait: Parameters<Hypervisor["waitStopped"]>[1],
): Promise<Stopped> {
  const stopped = await stillness(vm, folder, monitor, wait);
  if (stopped === "full") throw await hostIsFull(vm, folder);
  return stopped;
}

function stillness(
  vm: string,
  folder: string,
  monitor: Qmp | undefined,
  { timeoutMs, signal }: Parameters<Hypervisor["waitStopped"]>[1],
): Promise<Stopped | "full"> {
  const isFull = () =>
    monitor?.events.some(({ event, data }) => event === "BLOCK_IO_ERROR" && data.nospace === true) === true;
  return waitFor<Stopped | "full">(
    `${vm}: power-off`,
    async () => {
      if (isFull()) return "full";
      return (await pidOf(folder)) === undefined ? howItStopped(monitor) : undefined;
    },
    { timeoutMs, everyMs: 100, ...(signal && { signal }) },
  );
}

async function hostIsFull(vm: string, folder: string): Promise<TbuildError> {
  const { bavail, bsize } = await statfs(dirname(folder));
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  return new TbuildError(
    "environment",
    `the host's disk is full: ${free} MiB are free in ${dirname(folder)}`,
    {
      subject: vm,
      code: "disk-full",
      hint: "Free some space (`tbuild clean --checkpoints` removes checkpoints), and start again; finished steps are cached.",
    },
  );
}

function howItStopped(monitor: Qmp | undefined): Stopped {
  const event = monitor?.events.findLast((one) => one.event === "SHUTDOWN");
  if (event?.data.guest !== true) return "killed";
  return event.data.reason === "guest-reset" ? "guest-reset" : "guest-shutdown";
}
