import type { Contents } from "../bundles/read/contents.ts";
import { isMac } from "../bundles/write/shipment.ts";
import { diskName, slotIndex } from "../bundles/write/slots.ts";
import { type DiskEntry, lostOptions, readVif } from "../vm-cfg/devices.ts";
import type { VmCfgMachine } from "../vm-cfg/machine.ts";
import type { Located } from "./locate.ts";
import type { SourceDisk, SourceMachine, SourceNic } from "./source.ts";

const defaultMemoryMib = 1024;

/** The machine of a vm.cfg, with the files of its disks. */
export function machineOfConfig(
  said: VmCfgMachine,
  located: readonly Located[],
  fallbackName: string,
  isTemplate: boolean,
): SourceMachine {
  const disks = said.disks.filter(({ isCdrom }) => !isCdrom);
  const slots = freeSlots(disks.map(({ slot }) => slot));
  const taken = new Set<string>();
  const notes = [
    ...said.notes,
    ...disks.flatMap(lostOptions),
    ...said.disks.flatMap(discNote),
    ...twice(slots, "disks"),
    ...nicNotes(said.vifs),
  ];
  const all = disks.flatMap((entry, index): SourceDisk[] => {
    const image = located.find((one) => one.entry === entry);
    const slot = slots[index] ?? diskName(index);
    if (entry.target === undefined) {
      notes.push(`vm.cfg: its disk ${slot} names no file`);
      return [];
    }
    const name = uniqueName(entry.target, taken);
    const { target, mode } = entry;
    const from =
      image === undefined
        ? ({ kind: "device", path: target } as const)
        : ({ kind: "image", file: image.file, ...(image.data && { data: image.data }) } as const);
    return [{ name, slot, mode, isBoot: false, what: target, from }];
  });
  // pygrub reads the first disk in vm.cfg; a BIOS boots the first disk in the order of the slots.
  const first = said.domainType === "XEN_PVM" ? all[0] : inOrder(all)[0];
  return {
    ...common(said, fallbackName, notes),
    isTemplate,
    nics: said.vifs.map(nicOf),
    disks: inOrder(all).map((disk) => ({ ...disk, isBoot: disk === first })),
    drives: said.disks.filter(({ isCdrom }) => isCdrom).length,
    notes,
  };
}

/** The machine of an archive: a template or an OVA, unpacked. */
export function machineOfArchive(
  { said, disks, notes: found }: Contents,
  fallbackName: string,
): SourceMachine {
  const notes = [...found, ...nicNotes(said.vifs ?? [])];
  const slots = freeSlots(disks.map(({ slot }) => slot));
  const all = disks.map(
    ({ name, file, mode }, index): SourceDisk => ({
      name,
      isBoot: index === 0,
      what: name,
      mode: mode ?? "w",
      slot: slots[index] ?? diskName(index),
      from: { kind: "image", file },
    }),
  );
  const nics = said.vifs?.map(nicOf) ?? (said.nics ?? []).map((bridge) => ({ bridge, options: [] }));
  return {
    ...common({ ...said, settings: said.settings ?? {} }, fallbackName, notes),
    isTemplate: true,
    nics,
    disks: inOrder(all),
    drives: said.drives?.length ?? 0,
    notes,
  };
}

type Said = Omit<VmCfgMachine, "disks" | "nics" | "vifs" | "notes">;

function common(said: Said, fallbackName: string, notes: string[]) {
  const { vcpus = 1, memoryMib = defaultMemoryMib, settings, domainType } = said;
  if (said.memoryMib === undefined)
    notes.push(`its description does not state the memory; it gets ${defaultMemoryMib} MiB`);
  const uuid = typeof settings.uuid === "string" ? uuidIn(settings.uuid) : undefined;
  return {
    title: said.name ?? fallbackName,
    summary: said.summary ?? "",
    ...(uuid !== undefined && { uuid }),
    ...(domainType && { domainType }),
    firmware:
      settings.firmware === "uefi" || settings.bios === "ovmf" ? ("uefi" as const) : ("bios" as const),
    vcpus,
    memoryMib,
    settings,
    maxVcpus: Math.max(vcpus, said.maxVcpus ?? vcpus),
    maxMemoryMib: Math.max(memoryMib, said.maxMemoryMib ?? memoryMib),
  };
}

function discNote({ isCdrom, target, slot }: DiskEntry): string[] {
  if (!isCdrom || target === undefined) return [];
  return [
    `vm.cfg: the disc ${JSON.stringify(target)} in ${slot ?? "its drive"} is left out; the drive is empty`,
  ];
}

function nicNotes(vifs: readonly string[]): string[] {
  const macs = vifs.map((vif) => readVif(vif).get("mac"));
  const wrong = macs.flatMap((mac, index) =>
    mac === undefined || mac === "" || isMac(mac)
      ? []
      : [`vm.cfg: ${JSON.stringify(mac)} of vif ${index} is not a MAC address; it gets a new one`],
  );
  return [
    ...wrong,
    ...twice(
      macs.map((mac) => mac?.toLowerCase()),
      "network cards",
    ),
  ];
}

function twice(values: readonly (string | undefined)[], what: string): string[] {
  const doubled = values.filter((one, at) => one !== undefined && values.indexOf(one) < at);
  return [...new Set(doubled)].map((one) => `vm.cfg: two ${what} have ${JSON.stringify(one)}`);
}

const ownOptions: ReadonlySet<string> = new Set(["mac", "bridge", "type", "model"]);

function nicOf(text: string): SourceNic {
  const options = readVif(text);
  const [mac, bridge] = [options.get("mac"), options.get("bridge")];
  return {
    ...(bridge && { bridge }),
    ...(isMac(mac) && { mac: mac.toLowerCase() }),
    options: [...options].flatMap(([key, value]) => (ownOptions.has(key) ? [] : `${key}=${value}`)),
  };
}

function inOrder(disks: readonly SourceDisk[]): SourceDisk[] {
  return [...disks].sort((one, other) => slotIndex(one.slot) - slotIndex(other.slot));
}

/** Disks without a slot get the first free ones. */
function freeSlots(slots: readonly (string | undefined)[]): string[] {
  const taken = new Set(slots.map((slot) => (slot === undefined ? -1 : slotIndex(slot))));
  let next = 0;
  return slots.map((slot) => {
    if (slot !== undefined) return slot;
    while (taken.has(next)) next++;
    return diskName(next++);
  });
}

function uniqueName(target: string, taken: Set<string>): string {
  const file = target.split("/").at(-1) ?? "";
  const stem = file.replace(/(?:\.(?:img|raw|qcow2?|vhd))+$/i, "").replaceAll(/[^\w-]+/g, "-");
  const wanted = stem.replaceAll(/^-+|-+$/g, "") || "disk";
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

function uuidIn(text: string): string | undefined {
  const hex = text.replaceAll("-", "").toLowerCase();
  if (!/^[\da-f]{32}$/.test(hex)) return undefined;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
