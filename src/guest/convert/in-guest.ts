import type { DomainType } from "../../choices.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { xenDrivers } from "./xen-drivers.ts";

/** What of a conversion needs the programs of the running guest; the rest is done on its files, when it is stopped. */
export function inGuestOperations(domainType: DomainType, release: Release): Operation[] {
  const operations = domainType === "XEN_HVM" ? [] : [xenDrivers(release)];
  return operations.filter((operation) => operation.needs === "programs");
}
