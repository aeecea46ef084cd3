import { optional } from "../answers.ts";
import type { DiskSeen, MappingSeen, Named, VmSeen, VmState, VnicSeen } from "../api.ts";
import { type Listed, type Property, type Reference, referenceIn } from "./answer.ts";

/*
 * Reads the output of `show`. The keys are those that public scripts read: `Status`, `Memory (MB)`,
 * `Processors`, `Domain Type`, `Repository`, `Server`, `VmDiskMapping 1`, `Slot`, `Virtual Disk`, `Physical
 * Disk`, `Max (GiB)`, `Shareable` (cegamboav's list_disks_from_vm.sh; github.com/Tagar/ovm for `Virtual Disk
 * Id`). The others (`Description`, `Vnic 1`, `Mac Address`, `Network`, `Server Pool`) were in no public
 * output. They are read if present, and unknown otherwise.
 */

export function vmSeen({ id, name }: Listed, rows: readonly Property[]): VmSeen {
  const get = getter(rows);
  const status = get("Status");
  const state = stateOf(status);
  const memory = numberIn(get("Memory (MB)"));
  const vcpus = numberIn(get("Processors"));
  return {
    id,
    name: get("Name") ?? name,
    state,
    // How the CLI tells templates from machines is not public. A running machine is not a template.
    isTemplate: state === "template" ? true : state === "unknown" || state === "stopped" ? undefined : false,
    ...optional("description", get("Description")),
    ...optional("domainType", domainType(get("Domain Type"))),
    ...optional("memoryMib", memory),
    ...optional("vcpus", vcpus),
    ...optional("pool", named(get("Server Pool"))),
    ...optional("server", named(get("Server"))),
    ...optional("repository", named(get("Repository"))),
    vnics: numbered(rows, /^Vnic \d+$/i),
    mappings: numbered(rows, /^VmDiskMapping \d+$/i),
  };
}

export function vnicSeen({ id, name }: Listed, rows: readonly Property[]): VnicSeen {
  const get = getter(rows);
  const own = get("Name") ?? name;
  // In 3.2 the name is the MAC.
  const mac = [get("Mac Address"), get("MAC Address"), own].find((one) => isMac.test(one ?? ""));
  return {
    id,
    name: own,
    ...optional("mac", mac?.toLowerCase()),
    ...optional("network", named(get("Network"))),
    ...optional("description", get("Description")),
  };
}

export function mappingSeen({ id, name }: Listed, rows: readonly Property[]): MappingSeen {
  const get = getter(rows);
  const virtual = referenceIn(get("Virtual Disk") ?? get("Virtual Disk Id") ?? "");
  const physical = referenceIn(get("Physical Disk") ?? "");
  return {
    id,
    name: get("Name") ?? name,
    slot: numberIn(get("Slot")),
    device: deviceOf(virtual, physical),
  };
}

// An id that ends in `.img` or `.iso` is a virtual disk or disc, any other is a physical disk (osielczakd's backup_ovm_vm.py).
function deviceOf(virtual: Reference | undefined, physical: Reference | undefined): MappingSeen["device"] {
  const one = virtual ?? physical;
  if (one === undefined || one.id === "EMPTY_CDROM" || one.name === "EMPTY_CDROM") return { kind: "empty" };
  if (one.id.endsWith(".iso")) return { kind: "cdrom", ...one };
  return { kind: one.id.endsWith(".img") ? "virtual-disk" : "physical-disk", ...one };
}

export function diskSeen({ id, name }: Listed, rows: readonly Property[]): DiskSeen {
  const get = getter(rows);
  const gib = numberIn(get("Max (GiB)"));
  const shareable = get("Shareable")?.toLowerCase();
  return {
    id,
    name: get("Name") ?? name,
    ...optional("bytes", gib === undefined ? undefined : Math.round(gib * 2 ** 30)),
    ...optional(
      "isShareable",
      shareable === "yes" || shareable === "true"
        ? true
        : shareable === "no" || shareable === "false"
          ? false
          : undefined,
    ),
    ...optional("description", get("Description")),
    ...optional("repository", named(get("Repository") ?? get("Repository Id"))),
  };
}

export function stateOf(status: string | undefined): VmState {
  const words: Readonly<Record<string, VmState>> = {
    running: "running",
    stopped: "stopped",
    suspended: "suspended",
    template: "template",
    starting: "changing",
    stopping: "changing",
    suspending: "changing",
    resuming: "changing",
  };
  return words[status?.toLowerCase() ?? ""] ?? "unknown";
}

const isMac = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

// `Xen PVM` in output, `XEN_PVM` in commands.
function domainType(value: string | undefined): string | undefined {
  return value?.toUpperCase().replace(/[\s,-]+/g, "_");
}

/** The value of a key; the first one if it comes twice. Only a description has several lines. */
function getter(rows: readonly Property[]): (key: string) => string | undefined {
  return (key) => {
    const value = rows.find((row) => row.key.toLowerCase() === key.toLowerCase())?.value;
    return key === "Description" ? value : value?.split("\n")[0];
  };
}

function numbered(rows: readonly Property[], key: RegExp): Named[] {
  return rows.flatMap((row) =>
    key.test(row.key) ? (referenceIn(row.value.split("\n")[0] ?? "") ?? []) : [],
  );
}

function named(value: string | undefined): Named | undefined {
  return value === undefined ? undefined : referenceIn(value);
}

function numberIn(value: string | undefined): number | undefined {
  // Java may group digits: 2,048. Part of a number is not a number.
  const [number] = /^(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d.,])/.exec(value?.trim() ?? "") ?? [];
  return number === undefined ? undefined : Number(number.replaceAll(",", ""));
}
