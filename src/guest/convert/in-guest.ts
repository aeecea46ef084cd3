import type { DomainType } from "../../choices.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { xenDrivers } from "./xen-drivers.ts";

/** The operations of a conversion that run programs of the guest. All others change files of the stopped guest. */
export function inGuestOperations(domainType: DomainType, release: Release): Operation[] {
  const operations = domainType === "XEN_HVM" ? [] : [xenDrivers(release)];
  return operations.filter((operation) => operation.needs === "programs");
}
