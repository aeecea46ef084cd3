import type { HypervisorKind } from "./hypervisor.ts";

/** The hypervisors, by the `kind` in a site file; the first is the default. Each is loaded when it is used. */
export const hypervisors: Readonly<Record<string, () => Promise<HypervisorKind>>> = {
  qemu: async () => (await import("./qemu/qemu.ts")).qemuKind,
  xen: async () => (await import("./xen/xen.ts")).xenKind,
  "oracle-vm": async () => (await import("./oracle-vm/oracle-vm.ts")).oracleVmKind,
};
