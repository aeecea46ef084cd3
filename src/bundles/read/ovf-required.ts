import { childText, type Element } from "../../io/read-xml.ts";
import { shown } from "./tar-entries.ts";

/** Notes on required parts of a descriptor that are not read (DSP0243: a consumer has to report them). */
export function unreadParts(envelope: Element, items: readonly Element[]): string[] {
  return [...new Set([...sectionsIn(envelope), ...items.flatMap(deviceNote)])];
}

function sectionsIn(element: Element): string[] {
  return element.children.flatMap((one) => {
    const name = nameOf(one);
    if (containers.has(name)) return sectionsIn(one);
    if (known.has(name) || !isRequired(one)) return [];
    return [`the OVF requires ${shown(name)}, which tbuild does not read`];
  });
}

/** OVF 0.9 and oVirt use the elements Section and Content with a type. */
function nameOf(element: Element): string {
  if (!["Section", "Content"].includes(element.name)) return element.name;
  const type = element.attributes.get("type") ?? element.name;
  return type.replace(/^.*:/, "").replace(/_Type$/, "");
}

// A section is required unless it says otherwise. Other elements, and those of 0.9, are required only if they
// say so.
function isRequired(element: Element): boolean {
  const said = element.attributes.get("required")?.trim();
  return said === undefined ? /.Section$/.test(element.name) : isTrue(said);
}

// Nearly all descriptors leave `required` out of their items, which then means true: drives and sound cards would be
// reported with every import.
function deviceNote(item: Element): string[] {
  const type = childText(item, "ResourceType") ?? "";
  if (devices.has(type) || !isTrue(item.attributes.get("required")?.trim())) return [];
  const name = childText(item, "ElementName") ?? childText(item, "Caption") ?? "a device";
  return [`the OVF requires ${shown(name)} (ResourceType ${shown(type)}), which the template will lack`];
}

function isTrue(text: string | undefined): boolean {
  return text === "true" || text === "1";
}

const containers: ReadonlySet<string> = new Set([
  "VirtualSystem",
  "VirtualSystemCollection",
  "VirtualHardwareSection",
]);

/** Read elsewhere, or of no effect on one machine's disks and devices. */
const known: ReadonlySet<string> = new Set([
  "Item",
  "AnnotationSection",
  "DeploymentOptionSection",
  "DiskSection",
  "EulaSection",
  "NetworkSection",
  "OperatingSystemSection",
  "ProductSection",
  "ResourceAllocationSection",
  "StartupSection",
]);

/** Processor, memory, network card, disks, and the controllers of disks. */
const devices: ReadonlySet<string> = new Set(["3", "4", "10", "17", "31", "5", "6", "20"]);
