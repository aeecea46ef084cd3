import type { DomainType } from "../../choices.ts";
import type { Volume } from "../../image/access.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { diskNames } from "./disk-names.ts";
import { defaultKernel, modprobeAliases } from "./kernel.ts";
import { pygrubMenu } from "./pygrub-menu.ts";
import { xenConsole } from "./xen-console.ts";
import { xenDrivers } from "./xen-drivers.ts";

/** The operations that prepare an image installed under HVM for `domainType`. It still boots as HVM. */
export function convertOperations(
  domainType: DomainType,
  release: Release,
  volumes: readonly Volume[] = [],
): Operation[] {
  const drivers = [diskNames(volumes), xenDrivers(release)];
  const paravirtual = [
    xenConsole(release),
    defaultKernel,
    ...(release.major === 5 ? [modprobeAliases] : []),
    pygrubMenu(release),
  ];
  return {
    XEN_HVM: [],
    XEN_HVM_PV_DRIVERS: drivers,
    XEN_PVM: [...drivers, ...paravirtual],
  }[domainType];
}
