import { children, childText, type Element } from "../../io/read-xml.ts";
import { wholeNumber } from "./ovf-units.ts";
import { shown } from "./tar-entries.ts";

/**
 * The disk items in the order in which a machine sees them: by controller, then by address, if there is one.
 */
export function disksInOrder(items: readonly Element[]): Element[] {
  const disks = items.filter((item) => ["17", "31"].includes(childText(item, "ResourceType") ?? ""));
  const parents = [...new Set(disks.map((item) => childText(item, "Parent") ?? ""))];
  return parents.flatMap((parent) => {
    const own = disks.filter((item) => (childText(item, "Parent") ?? "") === parent);
    const addresses = own.map((item) => wholeNumber(childText(item, "AddressOnParent")));
    if (addresses.some((address) => address === undefined) || new Set(addresses).size < own.length)
      return own;
    return own
      .map((item, at) => [addresses[at] ?? 0, item] as const)
      .sort(([one], [other]) => one - other)
      .map(([, item]) => item);
  });
}

/**
 * Notes on settings of network cards that the template will lack: every machine made from it gets its own MAC
 * addresses.
 */
export function nicNotes(items: readonly Element[]): string[] {
  return items
    .filter((item) => childText(item, "ResourceType") === "10")
    .flatMap((item, index) => {
      const mac = childText(item, "MACAddress") ?? childText(item, "Address");
      const model = childText(item, "ResourceSubType");
      const left = [
        ...(mac !== undefined && /[\da-f]{2}([:-])[\da-f]{2}\1/i.test(mac) ? [`its MAC address ${mac}`] : []),
        ...(model === undefined || ours.test(model) ? [] : [`its model ${shown(model)}`]),
      ];
      return left.length === 0
        ? []
        : [`network card ${index + 1}: ${left.join(" and ")} ${left.length === 1 ? "is" : "are"} left out`];
    });
}

// Xen's card, and oVirt's numbers for cards that every hypervisor has.
const ours = /^(?:xennet|[0-9]+)$/;

/**
 * Notes on devices that no template has: a TPM, persistent memory, and devices of the host that are passed to the machine.
 * Drives, sound cards and controllers are not among them, because nearly every descriptor has some that no guest needs.
 */
export function hostDeviceNotes(items: readonly Element[]): string[] {
  const notes = items.flatMap((item) => {
    const type = childText(item, "ResourceType") ?? "";
    const words = [childText(item, "ResourceSubType"), childText(item, "Type")];
    if (!hostTypes.has(type) && !words.some((word) => word !== undefined && hostDevice.test(word))) return [];
    const name = childText(item, "ElementName") ?? childText(item, "Caption") ?? words.find(Boolean);
    return [`the device ${shown(name ?? `of ResourceType ${type}`)} is left out`];
  });
  return [...new Set(notes)];
}

/** Of CIM_ResourceAllocationSettingData: adapters of fibre channel, iSCSI and InfiniBand; I/O slots and devices. */
const hostTypes: ReadonlySet<string> = new Set(["7", "8", "9", "12", "13"]);
/** VMware's `ResourceSubType` and oVirt's `Type`. */
const hostDevice = /tpm|passthrough|sriov|hostdev|mdev|nvdimm|nvme\.?host/i;

/** Notes on a licence and on configurations that are left out. */
export function sectionNotes(
  licences: readonly Element[],
  configurations: readonly Element[],
  chosen: string | undefined,
): string[] {
  const others = configurations
    .map((one) => one.attributes.get("id") ?? "")
    .filter((id) => id !== "" && id !== chosen);
  return [
    ...(licences.some((one) => (childText(one, "License") ?? "") !== "")
      ? ["its licence (EULA) is left out"]
      : []),
    ...(others.length > 0
      ? [
          `configuration ${shown(chosen ?? "")} was used; ${others.map((id) => shown(id)).join(", ")} ${others.length === 1 ? "is" : "are"} left out`,
        ]
      : []),
  ];
}

/** A note on Secure Boot, which no description that tbuild writes has. */
export function secureBootNote(hardware: Element | undefined): string[] {
  const configs = [...children(hardware, "Config"), ...children(hardware, "ExtraConfig")];
  const isSecure = configs.some(
    ({ attributes }) =>
      /secure_?boot/i.test(attributes.get("key") ?? "") && attributes.get("value")?.toLowerCase() === "true",
  );
  return isSecure ? ["its Secure Boot is left out"] : [];
}

/** UEFI, where VMware's, VirtualBox's or oVirt's extensions say so. */
export function firmwareOf(machine: Element, hardware: Element | undefined): "uefi" | undefined {
  const configs = [...children(hardware, "Config"), ...children(hardware, "ExtraConfig")];
  const isEfi = configs.some(
    ({ attributes }) =>
      attributes.get("key") === "firmware" && attributes.get("value")?.toLowerCase() === "efi",
  );
  // Q35 with OVMF, without and with Secure Boot (BiosType in ovirt-engine).
  const bios = childText(machine, "BiosType");
  return isEfi || ["3", "4"].includes(bios ?? "") || hasEfiFirmware(machine) ? "uefi" : undefined;
}

function hasEfiFirmware(element: Element): boolean {
  return element.children.some(
    (one) =>
      (one.name === "Firmware" && /^efi/i.test(one.attributes.get("type") ?? "")) || hasEfiFirmware(one),
  );
}
