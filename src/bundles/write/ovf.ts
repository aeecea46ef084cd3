import type { Manifest, Parameter } from "../../model/manifest.ts";
import { bootSentence, firstBootSentence } from "../../model/manifest-sentences.ts";
import { inSendingOrder } from "../../model/root-password.ts";
import { escaped as text } from "./xml.ts";

export interface OvfFile {
  readonly href: string;
  readonly bytes: number;
}

/** The OVF 1.1 descriptor of a template, in the shape of Oracle's own (oracle-linux-image-tools, OVM_TEMPLATE.ovf). */
export function ovfDescriptor(manifest: Manifest, files: readonly OvfFile[]): string {
  const { machine } = manifest;
  const id = `${manifest.name}-${manifest.version}`;
  const network = (name: string) =>
    `    <ovf:Network ovf:name="${text(name)}"><ovf:Description>${text(name)}</ovf:Description></ovf:Network>`;
  const networks = [...new Set(machine.nics)].map(network);
  const paravirtual = manifest.domainType === "XEN_PVM";
  return `<?xml version="1.0" encoding="UTF-8"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovm="http://schemas.oracle.com/ovm/ovf/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="1.1.0" xml:lang="en-US">
  <ovf:References>
${files.map((file, i) => `    <ovf:File ovf:id="file${i + 1}" ovf:href="${text(file.href)}" ovf:size="${file.bytes}"/>`).join("\n")}
  </ovf:References>
  <ovf:DiskSection>
    <ovf:Info>Virtual disks</ovf:Info>
${manifest.disks.map((disk, i) => `    <ovf:Disk ovf:diskId="disk${i + 1}" ovf:fileRef="file${i + 1}" ovf:capacity="${disk.bytes}" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>`).join("\n")}
  </ovf:DiskSection>
${networks.length === 0 ? "" : `  <ovf:NetworkSection>\n    <ovf:Info>Networks of the vnics</ovf:Info>\n${networks.join("\n")}\n  </ovf:NetworkSection>\n`}  <ovf:VirtualSystem ovf:id="${text(id)}">
    <ovf:Info>${text(manifest.summary)}</ovf:Info>
    <ovf:Name>${text(id)}</ovf:Name>
    <ovf:OperatingSystemSection ovf:id="109">
      <ovf:Info>The guest's operating system</ovf:Info>
      <ovf:Description>${text(manifest.release.name)}</ovf:Description>
    </ovf:OperatingSystemSection>
    <ovf:VirtualHardwareSection ovf:transport="iso">
      <ovf:Info>Virtual hardware</ovf:Info>
      <ovf:System>
        <vssd:ElementName>Virtual hardware</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>${text(id)}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>DMTF:Oracle:X86:OracleVM_Xen:${paravirtual ? "PVM" : "HVM"}_Linux</vssd:VirtualSystemType>
      </ovf:System>
${hardware(manifest)}
    </ovf:VirtualHardwareSection>
    <ovf:AnnotationSection>
      <ovf:Info>Where it came from</ovf:Info>
      <ovf:Annotation>${text(annotation(manifest))}</ovf:Annotation>
    </ovf:AnnotationSection>
    <ovm:ScalingSection ovf:required="false">
      <ovf:Info>How many machines are made of it</ovf:Info>
      <ovm:InstanceCount>1</ovm:InstanceCount>
      <ovm:MinInstanceCount>1</ovm:MinInstanceCount>
      <ovm:MaxInstanceCount>64</ovm:MaxInstanceCount>
    </ovm:ScalingSection>
    <ovf:ProductSection ovf:class="com.oracle.linux">
      <ovf:Info>First-boot configuration</ovf:Info>
      <ovf:Product>${text(manifest.name)}</ovf:Product>
      <ovf:Version>${text(manifest.version)}</ovf:Version>
${inSendingOrder(manifest.contract)
  .filter((one) => one.key.startsWith("com.oracle.linux."))
  .map((one) => property(one, "com.oracle.linux."))
  .join("\n")}
    </ovf:ProductSection>
${ownSections(manifest)}  </ovf:VirtualSystem>
</ovf:Envelope>
`;
}

function hardware(manifest: Manifest): string {
  const { vcpus, memoryMib, nics } = manifest.machine;
  let instance = 0;
  const item = (fields: readonly (readonly [string, string | number])[]) =>
    `      <ovf:Item>\n${[...fields, ["InstanceID", ++instance] as const]
      // The schema requires the elements of an item in alphabetical order.
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `        <rasd:${name}>${text(String(value))}</rasd:${name}>`)
      .join("\n")}\n      </ovf:Item>`;
  return [
    item([
      ["ElementName", `${vcpus} virtual CPUs`],
      ["Description", "Number of virtual CPUs"],
      ["ResourceType", 3],
      ["VirtualQuantity", vcpus],
    ]),
    item([
      ["ElementName", `${memoryMib} MB of memory`],
      ["Description", "Memory size"],
      ["ResourceType", 4],
      ["AllocationUnits", "byte * 2^20"],
      ["VirtualQuantity", memoryMib],
    ]),
    item([
      ["ElementName", "Disk controller"],
      ["Description", "IDE controller"],
      ["ResourceType", 5],
      ["Address", 0],
    ]),
    ...manifest.disks.map((disk, i) =>
      item([
        ["ElementName", disk.name],
        ["HostResource", `ovf:/disk/disk${i + 1}`],
        ["Parent", 3],
        ["AddressOnParent", i],
        ["ResourceType", 17],
      ]),
    ),
    ...nics.map((nic, i) =>
      item([
        ["ElementName", `eth${i}`],
        ["Connection", nic],
        ["AutomaticAllocation", "true"],
        ["AddressOnParent", i],
        ["ResourceType", 10],
        ["ResourceSubType", "xennet"],
      ]),
    ),
  ].join("\n");
}

/** Parameters of our own modules, with a section for each class, as OVF requires. */
function ownSections(manifest: Manifest): string {
  const own = manifest.contract.filter((one) => !one.key.startsWith("com.oracle.linux."));
  const classes = new Map<string, Parameter[]>();
  for (const one of own) {
    const name = one.key.slice(0, one.key.lastIndexOf("."));
    classes.set(name, [...(classes.get(name) ?? []), one]);
  }
  return [...classes]
    .map(
      ([name, list]) =>
        `    <ovf:ProductSection ovf:class="${text(name)}">\n      <ovf:Info>First-boot parameters of ${text(list[0]?.module ?? name)}</ovf:Info>\n${list.map((one) => property(one, `${name}.`)).join("\n")}\n    </ovf:ProductSection>\n`,
    )
    .join("");
}

function property(one: Parameter, prefix: string): string {
  const key = one.key.slice(prefix.length);
  return `      <ovf:Property ovf:key="${text(key)}" ovf:type="string" ovf:userConfigurable="${one.hidden ? "false" : "true"}"${one.password ? ' ovf:password="true"' : ""}>\n        <ovf:Description>${text(one.description)}</ovf:Description>\n      </ovf:Property>`;
}

function annotation(manifest: Manifest): string {
  const rehearsal = manifest.rehearsal
    ? "A REHEARSAL, made of Debian's binaries; it is not Oracle Linux. "
    : "";
  const made = `Made ${manifest.made} by tbuild ${manifest.tbuild} from ${manifest.recipe}.`;
  return `${rehearsal}${made} ${firstBootSentence(manifest)} ${bootSentence(manifest)}`;
}
