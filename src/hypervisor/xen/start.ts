import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ErrorDetails, TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import type { DirectBoot } from "../hypervisor.ts";
import type { FarBoot } from "./config.ts";
import { logsScript, startScript, watcherScript } from "./scripts.ts";

export interface Start {
  readonly vm: string;
  /** The xenstore key of its console's device. */
  readonly console: string;
  /** A guest that reboots continues by itself. */
  readonly restarts: boolean;
  /** How often to try on a host that is too slow for xl's own time limits. */
  readonly tries: number;
}

/** Starts a domain from the configuration in `folder`. */
export async function startDomain(host: Runner, folder: string, start: Start): Promise<void> {
  const { vm, console, restarts } = start;
  for (let left = start.tries; ; left--) {
    let isTooSlow = false;
    const onLine = (line: string) => {
      isTooSlow ||= tooSlow.test(line);
    };
    try {
      const again = restarts ? startScript : "";
      await host.run(["sh", "-c", startScript, folder, vm, console, watcherScript, again, ""], { onLine });
      return;
    } catch (error) {
      if (!(error instanceof TbuildError) || error.code !== "command-failed") throw error;
      if (left > 1 && isTooSlow) continue;
      const logs = await host.run(["sh", "-c", logsScript, folder, vm]).catch(() => undefined);
      throw notStarted(error, vm, host.name, logs?.stdout ?? "");
    }
  }
}

/** libxl's ERROR_TIMEDOUT is -9. */
const tooSlow = /async_exec_timeout.*because of timeout|startup timed out|(?:rc=|did not start: )-9\b/;

/** Copies a kernel and its initramfs to a machine's folder on the Xen host. */
export async function brought(host: Host, boot: DirectBoot, folder: string): Promise<FarBoot> {
  const [kernel, ramdisk] = [join(folder, "kernel"), join(folder, "ramdisk")];
  await host.writeFile(kernel, await readFile(boot.kernel));
  await host.writeFile(ramdisk, await readFile(boot.initrd));
  return { kernel, ramdisk, commandLine: boot.append };
}

/** The messages of Xen's tools about a failed start, and the next step. Pure. */
export function notStarted(error: TbuildError, vm: string, host: string, logs: string): TbuildError {
  const lines = [...error.said, ...logs.split("\n").filter((line) => line.trim() !== "")];
  const hint = hints.find(({ said }) => lines.some((line) => said.test(line)))?.hint;
  const details: ErrorDetails = {
    subject: vm,
    code: error.code,
    exitCode: error.exitCode,
    lines,
    cause: error,
    command: `xl create -e -p vm.cfg`,
    hint: hint ?? `The logs of Xen are in /var/log/xen on ${host}.`,
  };
  return new TbuildError("environment", `Xen on ${host} does not start it`, details);
}

const hints: readonly { readonly said: RegExp; readonly hint: string }[] = [
  {
    said: tooSlow,
    hint: "The Xen host is too busy: xl gives its scripts for disks and network cards 40 seconds, and qemu 10. Start fewer machines at a time, or set hypervisor.patience in the site file: then tbuild tries again.",
  },
  {
    said: /bootloader (?:failed|timeout)|bootloader_(?:finished|timeout)|boot ?loader (?:didn't|exited)/i,
    hint: "pygrub found nothing to boot. To find the reason: tbuild convert --check --for xen-4.17 --to pvm IMAGE",
  },
  {
    said: /xc_dom_|xc_domain_dumpcore|domain building failed|build.*failed.*kernel/i,
    hint: "Xen cannot run the kernel as this type of domain. To find the reason: tbuild convert --check --for xen-4.17 IMAGE",
  },
  {
    said: /failed to free memory|not enough memory|Out of memory|ENOMEM/i,
    hint: "Free memory on the Xen host (xl info shows free_memory), or give the machine less.",
  },
  {
    said: /bridge|vif-bridge/i,
    hint: "List the bridges of the Xen host with: ip link show type bridge. Correct hypervisor.bridges in the site file.",
  },
];
