import { uuidOf } from "../../model/uuid.ts";
import type { Shipment, TravellingDisk } from "./shipment.ts";
import { document, type Lines, leaf, node } from "./xml.ts";

/** A disk of the package. */
export interface OlvmDisk {
  readonly disk: TravellingDisk;
  readonly fileId: string;
  readonly diskId: string;
  /** The size of the qcow2 file. */
  readonly fileBytes: number;
  /** The uncompressed size, which the import allocates. */
  readonly unpackedBytes: number;
}

/** The numbers of 64-bit Oracle Linux in OLVM (oracle-linux-image-tools, cloud/olvm/mk-envelope.py). 0 is "other". */
const systems: Readonly<Record<number, number>> = { 5: 5001, 6: 5002, 7: 5003, 8: 5006 };

const nobody = "00000000-0000-0000-0000-000000000000";

/** The OVF of a machine or template in oVirt's dialect. */
export function olvmOvf(shipment: Shipment, disks: readonly OlvmDisk[]): Buffer {
  const { vcpus, memoryMib, nics } = shipment;
  const networks = [...new Set(nics.map(({ network }) => network))];
  const root = node("ovf:Envelope", namespaces, [
    node(
      "References",
      {},
      disks.map(({ fileId, fileBytes }) =>
        node("File", { "ovf:href": fileId, "ovf:id": fileId, "ovf:size": fileBytes }),
      ),
    ),
    node("NetworkSection", {}, [
      leaf("Info", "List of networks"),
      ...networks.map((network) => node("Network", { "ovf:name": network })),
    ]),
    node("DiskSection", {}, [
      leaf("Info", "List of Virtual Disks"),
      ...disks.map((disk) => diskLines(shipment, disk)),
    ]),
    node("VirtualSystem", { "ovf:id": shipment.uuid }, [
      ...systemLines(shipment),
      node(
        "OperatingSystemSection",
        {
          "ovf:id": 1,
          "ovirt:id": systems[shipment.major] ?? 0,
          "ovf:required": "false",
        },
        [
          leaf("Info", "Guest Operating System"),
          leaf("Description", shipment.major > 0 ? `Oracle Linux ${shipment.major} x64` : "other"),
        ],
      ),
      node("VirtualHardwareSection", {}, [
        leaf("Info", `${vcpus} CPU, ${memoryMib} Memory`),
        node("System", {}, [leaf("vssd:VirtualSystemType", "ENGINE 4.1.0.0")]),
        ...hardware(shipment, disks),
      ]),
    ]),
  ]);
  return Buffer.from(document(root));
}

const namespaces = {
  xmlns: "http://schemas.dmtf.org/ovf/envelope/1",
  "xmlns:ovf": "http://schemas.dmtf.org/ovf/envelope/1",
  "xmlns:rasd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData",
  "xmlns:vssd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData",
  "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
  "xmlns:ovirt": "http://www.ovirt.org/ovf",
};

function diskLines(shipment: Shipment, { disk, diskId, fileId, unpackedBytes }: OlvmDisk): Lines {
  return node("Disk", {
    "ovf:diskId": diskId,
    "ovf:capacity": disk.from.bytes,
    "ovf:populatedSize": unpackedBytes,
    "ovf:fileRef": fileId,
    "ovf:parentRef": "",
    "ovf:format": "http://www.gnome.org/~markmc/qcow-image-format.html",
    "ovf:volume-format": "COW",
    "ovf:volume-type": "Sparse",
    "ovf:disk-interface": shipment.devices === "virtio" ? "VirtIO" : "IDE",
    "ovf:boot": disk.isBoot ? "true" : "false",
    "ovf:disk-type": disk.isBoot ? "System" : "Data",
    "ovf:disk-alias": `${shipment.id}_${disk.name}`,
  });
}

function systemLines(shipment: Shipment): Lines[] {
  const { id, uuid, memoryMib, maxMemoryMib, isTemplate } = shipment;
  const date = ovirtDate(shipment.made);
  const words = [shipment.summary, ...(shipment.title === id ? [] : [shipment.title]), ...shipment.notes];
  const values: Record<string, string | number> = {
    Name: id,
    Description: words.filter(Boolean).join(" "),
    Comment: "",
    CreationDate: date,
    ExportDate: date,
    DeleteProtected: "false",
    NumOfIoThreads: 1,
    TimeZone: "Etc/GMT",
    ClusterCompatibilityVersion: "4.2",
    // A server, not a desktop.
    VmType: 1,
    ResumeBehavior: "AUTO_RESUME",
    MinAllocatedMem: memoryMib,
    IsStateless: "false",
    IsRunAndPause: "false",
    AutoStartup: "false",
    Priority: 1,
    MigrationSupport: 0,
    IsBootMenuEnabled: "false",
    IsSpiceFileTransferEnabled: "true",
    IsSpiceCopyPasteEnabled: "true",
    AllowConsoleReconnect: "true",
    ConsoleDisconnectAction: "LOCK_SCREEN",
    MaxMemorySizeMb: maxMemoryMib,
    MultiQueuesEnabled: "true",
    Origin: 0,
    // VNC.
    DefaultDisplayType: 2,
    TrustedService: "false",
    UseHostCpu: "false",
    ...(isTemplate
      ? {
          TemplateId: uuid,
          TemplateType: "TEMPLATE",
          BaseTemplateId: uuid,
          TemplateVersionNumber: 1,
          TemplateVersionName: "base version",
        }
      : {
          TemplateId: nobody,
          OriginalTemplateId: nobody,
          OriginalTemplateName: "Blank",
          UseLatestVersion: "false",
          StopTime: date,
        }),
  };
  return Object.entries(values).map(([name, value]) => leaf(name, value));
}

function hardware(shipment: Shipment, disks: readonly OlvmDisk[]): Lines[] {
  const { uuid, drives, nics } = shipment;
  return [
    ...machineItems(shipment),
    ...disks.map((disk, index) => diskItem(shipment, disk, index)),
    ...(drives > 0 ? [driveItem(uuid)] : []),
    ...nics.map((nic, index) => nicItem(shipment, nic, index)),
  ];
}

const plugged = { BootOrder: 0, IsPlugged: "true", IsReadOnly: "false" };

function machineItems({ uuid, vcpus, maxVcpus, memoryMib }: Shipment): Lines[] {
  return [
    item({
      "rasd:Caption": `${vcpus} virtual cpu`,
      "rasd:Description": "Number of virtual CPU",
      "rasd:InstanceId": 1,
      "rasd:ResourceType": 3,
      "rasd:num_of_sockets": vcpus,
      "rasd:cpu_per_socket": 1,
      "rasd:threads_per_cpu": 1,
      "rasd:max_num_of_vcpus": Math.max(16, maxVcpus),
      "rasd:VirtualQuantity": vcpus,
    }),
    item({
      "rasd:Caption": `${memoryMib} MB of memory`,
      "rasd:Description": "Memory Size",
      "rasd:InstanceId": 2,
      "rasd:ResourceType": 4,
      "rasd:AllocationUnits": "MegaBytes",
      "rasd:VirtualQuantity": memoryMib,
    }),
    item({
      "rasd:Caption": "USB Controller",
      "rasd:InstanceId": 3,
      "rasd:ResourceType": 23,
      "rasd:UsbPolicy": "DISABLED",
    }),
    item({
      "rasd:Caption": "Graphical Controller",
      "rasd:InstanceId": uuidOf(`${uuid} video`),
      "rasd:ResourceType": 20,
      Type: "video",
      "rasd:VirtualQuantity": 1,
      Device: "vga",
    }),
  ];
}

function diskItem({ made }: Shipment, { disk, diskId, fileId }: OlvmDisk, index: number): Lines {
  const date = ovirtDate(made);
  return item({
    "rasd:Caption": `Drive: ${index + 1}`,
    "rasd:InstanceId": fileId,
    "rasd:ResourceType": 17,
    Type: "disk",
    // Without a slash before "disk", unlike the standard.
    "rasd:HostResource": `ovf:disk/${diskId}`,
    "rasd:Parent": nobody,
    "rasd:Template": nobody,
    "rasd:ApplicationList": "",
    "rasd:StorageId": nobody,
    "rasd:StoragePoolId": nobody,
    "rasd:CreationDate": date,
    "rasd:LastModified": date,
    "rasd:last_modified_date": date,
    Device: "disk",
    ...plugged,
    BootOrder: disk.isBoot ? 1 : 0,
    IsReadOnly: disk.mode === "r" ? "true" : "false",
  });
}

function driveItem(uuid: string): Lines {
  return item({
    "rasd:Caption": "CDROM",
    "rasd:InstanceId": uuidOf(`${uuid} cdrom`),
    "rasd:ResourceType": 15,
    Type: "disk",
    Device: "cdrom",
    ...plugged,
    IsReadOnly: "true",
  });
}

function nicItem(
  { uuid, devices }: Shipment,
  { network, mac }: Shipment["nics"][number],
  index: number,
): Lines {
  return item({
    "rasd:Caption": `Ethernet adapter on ${network}`,
    "rasd:InstanceId": uuidOf(`${uuid} nic ${index}`),
    "rasd:ResourceType": 10,
    "rasd:OtherResourceType": network,
    // 3 is VirtIO, 2 is e1000.
    "rasd:ResourceSubType": devices === "virtio" ? 3 : 2,
    "rasd:Connection": network,
    "rasd:Linked": "true",
    "rasd:Name": `nic${index + 1}`,
    "rasd:ElementName": `nic${index + 1}`,
    ...(mac !== undefined && { "rasd:MACAddress": mac.toLowerCase() }),
    "rasd:speed": 10000,
    Type: "interface",
    Device: "bridge",
    ...plugged,
  });
}

function item(values: Readonly<Record<string, string | number>>): Lines {
  return node(
    "Item",
    {},
    Object.entries(values).map(([name, value]) => leaf(name, value)),
  );
}

/** `2026/11/23 12:00:00`, UTC. */
function ovirtDate(iso: string): string {
  return iso.slice(0, 19).replaceAll("-", "/").replace("T", " ");
}
