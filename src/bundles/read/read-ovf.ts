import { TbuildError } from "../../errors.ts";
import type { Parameter } from "../../model/manifest.ts";
import type { Described } from "./contents.ts";
import { children, childText, type Element, readXml } from "./read-xml.ts";
import { shown } from "./tar-entries.ts";

export interface OvfDisk {
  /** A file of the package. */
  readonly href: string;
  /** The size of that file, where the OVF tells it. */
  readonly fileBytes?: number;
  readonly gzip: boolean;
  /** The size of each of the pieces that the file is cut into. */
  readonly chunkBytes?: number;
  /** The size of the disk, where the OVF tells it in a unit that is known. */
  readonly capacity?: number;
}

export interface Ovf extends Described {
  readonly disks: readonly OvfDisk[];
}

/** What an OVF descriptor (1.x) says of its machine; of several machines, and of disks that it does not bring, none. */
export function readOvf(what: string, text: string): Ovf {
  const envelope = readXml(what, text);
  const refuse = (why: string) => new TbuildError("integrity", `${what}: ${why}`);
  if (envelope.name !== "Envelope") throw refuse(`is no OVF: its root is ${shown(envelope.name)}`);
  if (/\/envelope\/2\b/.test(envelope.namespace))
    throw new TbuildError("usage", `${what}: is OVF 2, which tbuild does not read`, {
      hint: "Export it again as OVF 1.1.",
    });
  const machines = machinesOf(envelope);
  const [machine] = machines;
  if (!machine) throw refuse("describes no machine");
  if (machines.length > 1)
    throw new TbuildError("usage", `${what}: describes ${machines.length} machines; a template is one`, {
      lines: machines.map((one) => shown(one.attributes.get("id") ?? "")),
    });
  const hardware = children(machine, "VirtualHardwareSection")[0];
  const products = children(machine, "ProductSection");
  const items = children(hardware, "Item");
  const memory = items.find((item) => childText(item, "ResourceType") === "4");
  const memoryMib = quantity(memory, childText(memory, "AllocationUnits") ?? "byte * 2^20");
  const vcpus = Number(
    childText(
      items.find((item) => childText(item, "ResourceType") === "3"),
      "VirtualQuantity",
    ),
  );
  const nics = items
    .filter((item) => childText(item, "ResourceType") === "10")
    .map((item) => childText(item, "Connection") ?? "public");
  const name = childText(machine, "Name") ?? machine.attributes.get("id");
  const product = products.find((one) => childText(one, "Product") !== undefined);
  const version = childText(product, "Version");
  const summary = childText(product, "Product");
  const domainType = domainTypes[childText(children(hardware, "System")[0], "VirtualSystemType") ?? ""];
  return {
    disks: disksOf(envelope, items, refuse),
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(summary !== undefined && { summary }),
    ...(Number.isInteger(vcpus) && vcpus > 0 && { vcpus }),
    ...(memoryMib !== undefined && { memoryMib: Math.round(memoryMib / 2 ** 20) }),
    ...(nics.length > 0 && { nics }),
    ...(domainType && { domainType }),
    contract: products.flatMap(parametersOf),
  };
}

// Oracle writes PVHVM as HVM_Linux: its own templates for OL7 are that.
const domainTypes: Readonly<Record<string, "XEN_PVM" | "XEN_HVM_PV_DRIVERS">> = {
  "DMTF:Oracle:X86:OracleVM_Xen:PVM_Linux": "XEN_PVM",
  "DMTF:Oracle:X86:OracleVM_Xen:HVM_Linux": "XEN_HVM_PV_DRIVERS",
};

function machinesOf(element: Element): Element[] {
  return [
    ...children(element, "VirtualSystem"),
    ...children(element, "VirtualSystemCollection").flatMap(machinesOf),
  ];
}

/** The disks in the order in which the machine has them, as the items of its hardware name them. */
function disksOf(
  envelope: Element,
  items: readonly Element[],
  refuse: (why: string) => TbuildError,
): OvfDisk[] {
  const files = byId(children(children(envelope, "References")[0], "File"), "id");
  const disks = byId(children(children(envelope, "DiskSection")[0], "Disk"), "diskId");
  const used = items
    .filter((item) => ["17", "31"].includes(childText(item, "ResourceType") ?? ""))
    .flatMap((item) => children(item, "HostResource").map((one) => one.text.trim()));
  if (used.length === 0) throw refuse("its machine has no disk");
  return used.map((resource) => {
    // `ovf:/disk/<id>` in the standard, `/disk/<id>` in older OVFs.
    const [, kind, id = ""] = /^(?:ovf:)?\/(disk|file)\/(.+)$/.exec(resource) ?? [];
    const disk = kind === "disk" ? disks.get(id) : undefined;
    const file = files.get(kind === "file" ? id : (disk?.attributes.get("fileRef") ?? ""));
    if (!kind || (kind === "disk" && !disk))
      throw refuse(`names the disk ${shown(resource)}, which it does not have`);
    if (disk?.attributes.has("parentRef"))
      throw refuse(`its disk ${shown(id)} is a difference to another disk`);
    const href = file?.attributes.get("href");
    if (!file || href === undefined) throw refuse(`its disk ${shown(id)} is in no file`);
    const compression = file.attributes.get("compression") ?? "";
    if (!["", "identity", "gzip"].includes(compression))
      throw refuse(`its disk ${shown(id)} is compressed by ${shown(compression)}; gzip is what is known`);
    const fileBytes = wholeNumber(file.attributes.get("size"));
    const chunkBytes = wholeNumber(file.attributes.get("chunkSize"));
    const capacity = capacityOf(disk);
    return {
      href,
      gzip: compression === "gzip",
      ...(fileBytes !== undefined && { fileBytes }),
      ...(chunkBytes !== undefined && { chunkBytes }),
      ...(capacity !== undefined && { capacity }),
    };
  });
}

function capacityOf(disk: Element | undefined): number | undefined {
  const capacity = wholeNumber(disk?.attributes.get("capacity"));
  const factor = unitBytes(disk?.attributes.get("capacityAllocationUnits") ?? "byte");
  return capacity === undefined || factor === undefined ? undefined : capacity * factor;
}

function quantity(item: Element | undefined, unit: string): number | undefined {
  const amount = wholeNumber(childText(item, "VirtualQuantity"));
  const factor = unitBytes(unit);
  return amount === undefined || factor === undefined ? undefined : amount * factor;
}

/** `byte`, `byte * 2^30`, and what was written before there were programmatic units. */
function unitBytes(unit: string): number | undefined {
  const [, power] = /^bytes?\s*\*\s*2\s*\^\s*(\d\d)$/i.exec(unit.trim()) ?? [];
  if (power !== undefined) return 2 ** Number(power);
  return { byte: 1, bytes: 1, kilobytes: 2 ** 10, megabytes: 2 ** 20, gigabytes: 2 ** 30 }[
    unit.trim().toLowerCase()
  ];
}

function parametersOf(product: Element): Parameter[] {
  const prefix = product.attributes.get("class") ?? "";
  return children(product, "Property").flatMap((one): Parameter[] => {
    const key = one.attributes.get("key");
    if (!key) return [];
    return [
      {
        key: prefix === "" ? key : `${prefix}.${key}`,
        description: childText(one, "Description") ?? childText(one, "Label") ?? "",
        module: prefix.split(".").at(-1) ?? "",
        // OVF has no such flag; only the root password is known to be needed.
        required: `${prefix}.${key}` === "com.oracle.linux.root-password",
        hidden: one.attributes.get("userConfigurable") === "false",
        password: one.attributes.get("password") === "true",
      },
    ];
  });
}

function byId(elements: readonly Element[], attribute: string): Map<string, Element> {
  return new Map(elements.map((one) => [one.attributes.get(attribute) ?? "", one]));
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}
