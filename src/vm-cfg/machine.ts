import type { DomainType } from "../choices.ts";
import { type DiskEntry, readDisk, readVif, textsOf } from "./devices.ts";
import type { VmCfg } from "./document.ts";
import { masked, withoutSecrets } from "./secrets.ts";
import type { Value } from "./value.ts";

/** The facts that a vm.cfg states about its machine, unverified. */
export interface VmCfgMachine {
  readonly name?: string;
  readonly summary?: string;
  readonly vcpus?: number;
  readonly maxVcpus?: number;
  readonly memoryMib?: number;
  readonly maxMemoryMib?: number;
  readonly domainType?: DomainType;
  readonly disks: readonly DiskEntry[];
  /** The bridge of each vnic; `public` if none is named. */
  readonly nics: readonly string[];
  /** The vnics as written, without secrets. */
  readonly vifs: readonly string[];
  /** All other keys, without secrets, to be written back unchanged. */
  readonly settings: Readonly<Record<string, Value>>;
  readonly notes: readonly string[];
}

/** Keys that define the domain type and what starts the domain. They belong together. */
export const domainKeys: readonly string[] = [
  "type",
  "builder",
  "kernel",
  "ramdisk",
  "bootloader",
  "firmware",
  "device_model",
  "OVM_domain_type",
];

const modelled: ReadonlySet<string> = new Set([
  "name",
  "OVM_simple_name",
  "OVM_description",
  "vcpus",
  "maxvcpus",
  "memory",
  "maxmem",
  "disk",
  "vif",
]);

export function machineOf(config: VmCfg): VmCfgMachine {
  const { values } = config;
  const notes = config.remarks.map(({ line, text }) => `vm.cfg:${line}: ${text}`);
  const name = textOf(values.get("OVM_simple_name")) ?? textOf(values.get("name"));
  const said = textOf(values.get("OVM_description"));
  const summary = said && String(masked("", said));
  if (summary !== said) notes.push("vm.cfg: OVM_description contains a password, which is not kept");
  const number = (key: string): number | undefined => {
    const value = values.get(key);
    if (value === undefined || value === null) return undefined;
    const found = typeof value === "string" ? Number(value.trim() || Number.NaN) : Number(value);
    if (Number.isInteger(found) && found > 0) return found;
    notes.push(
      `vm.cfg: ${key} is ${JSON.stringify(value)}, which is not a whole number above 0; it is left out`,
    );
    return undefined;
  };
  const [vcpus, maxVcpus] = [number("vcpus"), number("maxvcpus")];
  const [memoryMib, maxMemoryMib] = [number("memory"), number("maxmem")];
  const vifs = textsOf(values.get("vif"));
  const domainType = domainTypeOf(values, vifs, notes);
  return {
    ...(name !== undefined && { name }),
    ...(summary !== undefined && { summary }),
    ...(vcpus !== undefined && { vcpus }),
    ...(maxVcpus !== undefined && { maxVcpus }),
    ...(memoryMib !== undefined && { memoryMib }),
    ...(maxMemoryMib !== undefined && { maxMemoryMib }),
    ...(domainType && { domainType }),
    disks: textsOf(values.get("disk")).map(readDisk),
    nics: vifs.map((vif) => readVif(vif).get("bridge") || "public"),
    vifs: vifs.map((vif) => String(withoutSecrets("", vif) ?? "")),
    settings: settingsOf(values, notes),
    notes,
  };
}

function settingsOf(values: ReadonlyMap<string, Value>, notes: string[]): Record<string, Value> {
  const found: Record<string, Value> = {};
  for (const [key, value] of values) {
    if (modelled.has(key)) continue;
    const kept = withoutSecrets(key, value);
    if (JSON.stringify(kept) !== JSON.stringify(value))
      notes.push(`vm.cfg: ${key} contains a password, which is not kept`);
    if (kept !== undefined) found[key] = kept;
  }
  return found;
}

function textOf(value: Value | undefined): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/**
 * Read from the first that is present: OVM_domain_type, xl's `type`, `builder`, or the key that starts the
 * domain. What the Manager writes for PVHVM is unknown, so for an HVM domain the type of its network cards
 * decides.
 */
function domainTypeOf(
  values: ReadonlyMap<string, Value>,
  vifs: readonly string[],
  notes: string[],
): VmCfgMachine["domainType"] {
  const word = (key: string) => textOf(values.get(key))?.toLowerCase();
  const hvm = vifs.some((vif) => readVif(vif).get("type") === "netfront") ? "XEN_HVM_PV_DRIVERS" : "XEN_HVM";
  const manager = word("OVM_domain_type");
  if (manager === "xen_pvm") return "XEN_PVM";
  if (manager === "xen_hvm") return hvm;
  if (manager !== undefined && /pv_?hvm|hvm_pv/.test(manager)) return "XEN_HVM_PV_DRIVERS";
  const type = word("type");
  if (type === "pv") return "XEN_PVM";
  if (type === "hvm") return hvm;
  if (type === "pvh") {
    notes.push("vm.cfg: type is pvh, which Oracle VM does not have; the domain type counts as unknown");
    return undefined;
  }
  const builder = word("builder");
  if (builder === "hvm") return hvm;
  if (builder === "linux" || builder === "generic") return "XEN_PVM";
  const kernel = word("kernel");
  if (kernel?.endsWith("hvmloader")) return hvm;
  return word("bootloader") !== undefined || kernel !== undefined ? "XEN_PVM" : undefined;
}
