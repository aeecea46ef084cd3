import type { Runner } from "../host/host.ts";
import type { Hypervisor, HypervisorKind, HypervisorPlaces } from "./hypervisor.ts";
import { hypervisors } from "./table.ts";

/** The hypervisor in a site file: the kind, and the options of that kind. */
export type HypervisorChoice = { readonly kind: string } & Readonly<Record<string, unknown>>;

export async function hypervisorKind(kind: string): Promise<HypervisorKind> {
  const load = hypervisors[kind];
  if (load === undefined) throw new Error(`no hypervisor ${kind}`);
  return load();
}

export async function openHypervisor(
  host: Runner,
  { kind, ...options }: HypervisorChoice,
  places: HypervisorPlaces,
): Promise<Hypervisor> {
  const { options: schema, open } = await hypervisorKind(kind);
  return open(host, schema.parse(options), places);
}
