import { TbuildError } from "../../errors.ts";
import { children, childText, type Element, readXml } from "../../io/read-xml.ts";
import { amount } from "../../io/units.ts";
import type { Parameter } from "../../model/manifest.ts";
import { rootPasswordKey } from "../../model/root-password.ts";
import type { Described } from "./contents.ts";
import {
  disksInOrder,
  firmwareOf,
  hostDeviceNotes,
  nicNotes,
  sectionNotes,
  secureBootNote,
} from "./ovf-devices.ts";
import { unreadParts } from "./ovf-required.ts";
import { memoryOf, unitBytes, vcpusOf, wholeNumber } from "./ovf-units.ts";
import { shown } from "./tar-entries.ts";

export interface OvfDisk {
  /** The disk's file in the package. A disk without a file is blank. */
  readonly href?: string;
  /** The file's size in bytes, if stated. */
  readonly fileBytes?: number;
  readonly gzip: boolean;
  /** The size in bytes of each piece of a split file. */
  readonly chunkBytes?: number;
  /** The disk's size in bytes, if stated in a known unit. */
  readonly capacity?: number;
}

export interface Ovf extends Described {
  readonly disks: readonly OvfDisk[];
  /** What the descriptor requires and the template will lack. */
  readonly notes: readonly string[];
}

/**
 * The machine in an OVF descriptor: 1.x, 0.9, and the dialect of oVirt and Oracle Linux Virtualization
 * Manager, which is 1.x with sections of 0.9. A descriptor of several machines is refused.
 */
export function readOvf(what: string, text: string): Ovf {
  const envelope = readXml(what, text);
  const refuse = (why: string) => new TbuildError("integrity", why, { subject: what });
  if (envelope.name !== "Envelope")
    throw refuse(`is not an OVF: its root element is ${shown(envelope.name)}`);
  if (/\/envelope\/2\b/.test(envelope.namespace))
    throw new TbuildError("usage", "is OVF 2, which tbuild does not read", {
      subject: what,
      hint: "Export it again as OVF 1.1.",
    });
  const machines = machinesOf(envelope);
  const [machine] = machines;
  if (!machine) throw refuse("describes no machine");
  if (machines.length > 1)
    throw new TbuildError(
      "usage",
      `describes ${amount(machines.length, "machine")}; a template is one machine`,
      {
        subject: what,
        lines: machines.map((one) => shown(one.attributes.get("id") ?? "")),
      },
    );
  const hardware = sections(machine, "VirtualHardwareSection")[0];
  const products = sections(machine, "ProductSection");
  const configurations = configurationsOf(envelope);
  const chosen = defaultOf(configurations);
  const items = itemsOf(children(hardware, "Item"), chosen);
  const memory = memoryOf(items.find((item) => childText(item, "ResourceType") === "4"));
  const vcpus = vcpusOf(items.find((item) => childText(item, "ResourceType") === "3"));
  const nics = items
    .filter((item) => childText(item, "ResourceType") === "10")
    .map((item) => childText(item, "Connection") ?? "public");
  const name = childText(machine, "Name") ?? machine.attributes.get("id");
  const product = products.find((one) => childText(one, "Product") !== undefined);
  const version = childText(product, "Version");
  const summary = childText(product, "Product");
  const domainType = domainTypes[childText(children(hardware, "System")[0], "VirtualSystemType") ?? ""];
  const firmware = firmwareOf(machine, hardware);
  return {
    disks: disksOf(envelope, items, refuse),
    notes: [
      ...unreadParts(envelope, items),
      ...[vcpus.note, memory.note].filter((note) => note !== undefined),
      ...(sections(machine, "VirtualHardwareSection").length > 1
        ? ["it has several hardware sections; the first was used"]
        : []),
      ...capacityNotes(envelope),
      ...secureBootNote(hardware),
      ...nicNotes(items),
      ...hostDeviceNotes(items),
      ...sectionNotes(
        [envelope, machine].flatMap((one) => sections(one, "EulaSection")),
        configurations,
        chosen,
      ),
    ],
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(summary !== undefined && { summary }),
    ...(vcpus.value !== undefined && { vcpus: vcpus.value }),
    ...(memory.value !== undefined && { memoryMib: memory.value }),
    ...(firmware && { firmware }),
    nics,
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
    ...contents(element, "VirtualSystem"),
    ...children(element, "VirtualSystemCollection").flatMap(machinesOf),
    ...contents(element, "VirtualSystemCollection").flatMap(machinesOf),
  ];
}

/** The sections with this name. OVF 0.9 and oVirt use the element Section with a type. */
function sections(element: Element | undefined, name: string): Element[] {
  return [...children(element, name), ...typed(element, "Section", name)];
}

function contents(element: Element, name: string): Element[] {
  return typed(element, "Content", name);
}

function typed(element: Element | undefined, tag: string, name: string): Element[] {
  return children(element, tag).filter(
    (one) => one.attributes.get("type")?.split(":").at(-1) === `${name}_Type`,
  );
}

function configurationsOf(envelope: Element): Element[] {
  return sections(envelope, "DeploymentOptionSection").flatMap((one) => children(one, "Configuration"));
}

/** The default deployment configuration: the one marked as default, otherwise the first (DSP0243, 9.8). */
function defaultOf(all: readonly Element[]): string | undefined {
  const chosen = all.find((one) => /^(?:true|1)$/.test(one.attributes.get("default") ?? "")) ?? all[0];
  return chosen?.attributes.get("id");
}

/**
 * The items of one configuration: its own first, then the common ones. Items that only state a minimum or a maximum
 * are not devices.
 */
function itemsOf(items: readonly Element[], configuration: string | undefined): Element[] {
  const namesOf = (item: Element) => item.attributes.get("configuration")?.split(/\s+/).filter(Boolean) ?? [];
  const real = items.filter((item) => !["min", "max"].includes(item.attributes.get("bound") ?? ""));
  const own = real.filter((item) => configuration !== undefined && namesOf(item).includes(configuration));
  const idsOf = new Set(own.map((item) => childText(item, "InstanceID")));
  const common = real.filter(
    (item) =>
      namesOf(item).length === 0 &&
      (childText(item, "InstanceID") === undefined || !idsOf.has(childText(item, "InstanceID"))),
  );
  return own.length === 0
    ? common
    : [...own, ...common].sort((one, other) => real.indexOf(one) - real.indexOf(other));
}

/** The disks in the machine's order, from its hardware items. */
function disksOf(
  envelope: Element,
  items: readonly Element[],
  refuse: (why: string) => TbuildError,
): OvfDisk[] {
  const references = children(children(envelope, "References")[0], "File");
  // oVirt's disks refer to a file by name.
  const files = new Map([...byId(references, "href"), ...byId(references, "id")]);
  const described = sections(envelope, "DiskSection").flatMap((one) => children(one, "Disk"));
  const disks = new Map([...byId(described, "fileRef"), ...byId(described, "diskId")]);
  const used = disksInOrder(items).flatMap((item) =>
    children(item, "HostResource").map((one) => one.text.trim()),
  );
  if (used.length === 0) throw refuse("its machine has no disk");
  return used.map((resource) => {
    // `ovf:/disk/<id>` in the standard, `/disk/<id>` and `disk/<id>` in older ones, `ovf:disk/<id>` from Oracle Linux
    // Virtualization Manager, and from oVirt the disk's own name.
    const [, kind = "disk", id = ""] = /^(?:ovf:)?\/?(disk|file)\/(.+)$/.exec(resource) ?? [
      "",
      "disk",
      resource,
    ];
    const disk = kind === "disk" ? (disks.get(id) ?? disks.get(id.split("/").at(-1) ?? "")) : undefined;
    if (kind === "disk" && !disk) throw refuse(`names the disk ${shown(resource)}, which it does not have`);
    if ((disk?.attributes.get("parentRef") ?? "") !== "")
      throw refuse(`its disk ${shown(id)} contains only the differences to another disk`);
    const capacity = capacityOf(disk);
    const fileRef = disk?.attributes.get("fileRef") ?? "";
    if (disk && fileRef === "") {
      if (capacity === undefined || capacity === 0)
        throw refuse(`its disk ${shown(id)} is blank, and its size is not stated`);
      return { gzip: false, capacity: Math.ceil(capacity / 512) * 512 };
    }
    const file = files.get(kind === "file" ? id : fileRef);
    const href = file?.attributes.get("href");
    if (!file || href === undefined) throw refuse(`its disk ${shown(id)} has no file`);
    const compression = file.attributes.get("compression") ?? "";
    if (!["", "identity", "gzip"].includes(compression))
      throw refuse(
        `its disk ${shown(id)} is compressed with ${shown(compression)}; tbuild supports gzip only`,
      );
    const fileBytes = wholeNumber(file.attributes.get("size"));
    const chunkBytes = wholeNumber(file.attributes.get("chunkSize"));
    return {
      href,
      gzip: compression === "gzip",
      ...(fileBytes !== undefined && { fileBytes }),
      ...(chunkBytes !== undefined && { chunkBytes }),
      ...(capacity !== undefined && { capacity }),
    };
  });
}

/** Notes on sizes that are not understood. */
function capacityNotes(envelope: Element): string[] {
  const described = sections(envelope, "DiskSection").flatMap((one) => children(one, "Disk"));
  return described.flatMap((disk) => {
    const said = disk.attributes.get("capacity");
    if (said === undefined || said === "" || capacityOf(disk) !== undefined) return [];
    const unit = disk.attributes.get("capacityAllocationUnits");
    return [
      `the capacity of a disk is not understood: ${shown(said)}${unit === undefined ? "" : ` in units of ${shown(unit)}`}`,
    ];
  });
}

function capacityOf(disk: Element | undefined): number | undefined {
  const capacity = wholeNumber(disk?.attributes.get("capacity"));
  const factor = unitBytes(disk?.attributes.get("capacityAllocationUnits") ?? "byte");
  return capacity === undefined || factor === undefined ? undefined : capacity * factor;
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
        // OVF has no flag for required values. Only the root password is known to be required.
        required: `${prefix}.${key}` === rootPasswordKey,
        hidden: one.attributes.get("userConfigurable") === "false",
        password: one.attributes.get("password") === "true",
      },
    ];
  });
}

function byId(elements: readonly Element[], attribute: string): Map<string, Element> {
  return new Map(elements.map((one) => [one.attributes.get(attribute) ?? "", one]));
}
