import type { PlaceKind } from "../place.ts";

/**
 * The kinds of places, by name. The first that the site defines is used. Each is loaded when it is needed.
 */
export const places: Readonly<Record<string, () => Promise<PlaceKind>>> = {
  "oracle-vm": async () => (await import("./oracle-vm/oracle-vm.ts")).oracleVmPlace,
  hypervisor: async () => (await import("./hypervisor/hypervisor.ts")).hypervisorPlace,
};
