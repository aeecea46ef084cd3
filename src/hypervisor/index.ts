import type { Host } from "../host/host.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { type QemuOptions, qemu } from "./qemu/qemu.ts";

/** The hypervisors, by the name that a site gives. */
const table = { qemu } as const;

export interface HypervisorChoice extends Pick<QemuOptions, "accelerator" | "sshPort"> {
  readonly kind: keyof typeof table;
}

export function openHypervisor(
  host: Host,
  choice: HypervisorChoice,
  places: Pick<QemuOptions, "folder" | "memory">,
): Hypervisor {
  return table[choice.kind](host, { ...choice, ...places });
}
