import { uuidOf } from "../../model/uuid.ts";
import { type Shipment, type TravellingDisk, travelling } from "./shipment.ts";
import { slotIndex } from "./slots.ts";
import { type Lines, leaf, node } from "./xml.ts";

/**
 * The description in an XVA: objects of XenServer's API (VM, VBD, VIF, network, VDI, SR) as XML-RPC values. The fields
 * are those that XenServer 5.5 exports (see OpenXenManager, src/OXM/xva.py). Later releases have defaults for newer
 * fields, but not for these, so all of them are required.
 */
export function ovaXml(shipment: Shipment): Buffer {
  const disks = travelling(shipment);
  const networks = [...new Set(shipment.nics.map(({ network }) => network))];
  const objects = [
    object("VM", machineReference, machine(shipment, disks)),
    ...disks.map((disk, index) => object("VBD", vbdReference(index), blockDevice(shipment, disk, index))),
    ...shipment.nics.map((_, index) =>
      object("VIF", vifReference(index), networkCard(shipment, networks, index)),
    ),
    ...networks.map((name, index) =>
      object("network", networkReference(index), network(shipment, name, index)),
    ),
    ...disks.map((disk, index) => object("VDI", vdiReference(index), diskImage(shipment, disk, index))),
    object("SR", storageReference, storage(shipment, disks.length)),
  ];
  const version = struct({
    hostname: "tbuild",
    date: shipment.made.slice(0, 10),
    product_version: "5.5.0",
    product_brand: "XenServer",
    build_number: "tbuild",
    xapi_major: 1,
    xapi_minor: 3,
    // Since version 1, a checksum follows each block of a disk.
    export_vsn: 2,
  });
  return Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n${node("value", {}, [struct({ version, objects: array(objects) })]).join("\n")}\n`,
  );
}

// References are compared as strings, so all have the same number of digits.
const machineReference = "Ref:1000";
const storageReference = "Ref:1001";
const vbdReference = (index: number) => `Ref:${2000 + index}`;
const vifReference = (index: number) => `Ref:${3000 + index}`;
const networkReference = (index: number) => `Ref:${4000 + index}`;
/** The reference of a disk, which is the folder of its blocks. */
export const vdiReference = (index: number) => `Ref:${5000 + index}`;

const none = "OpaqueRef:NULL";

/** A value in XML-RPC. Integers are strings, as in everything that XenServer writes. */
type Field = string | number | boolean | Lines;

function struct(fields: Readonly<Record<string, Field>>): Lines {
  return node(
    "struct",
    {},
    Object.entries(fields).map(([name, field]) => node("member", {}, [leaf("name", name), value(field)])),
  );
}

function array(fields: readonly Field[]): Lines {
  return node("array", {}, [node("data", {}, fields.map(value))]);
}

function value(field: Field): Lines {
  if (typeof field === "boolean") return node("value", {}, [leaf("boolean", field ? 1 : 0)]);
  return typeof field === "object" ? node("value", {}, [field]) : leaf("value", field);
}

function object(kind: string, id: string, snapshot: Readonly<Record<string, Field>>): Lines {
  return struct({ class: kind, id, snapshot: struct(snapshot) });
}

const epoch: Lines = leaf("dateTime.iso8601", "19700101T00:00:00Z");
const noSnapshots = {
  is_a_snapshot: false,
  snapshot_of: none,
  snapshots: array([]),
  snapshot_time: epoch,
};

function machine(shipment: Shipment, disks: readonly TravellingDisk[]): Record<string, Field> {
  const { vcpus, maxVcpus, memoryMib, maxMemoryMib } = shipment;
  const isPv = shipment.domainType === "XEN_PVM";
  const bytes = (mib: number) => mib * 2 ** 20;
  return {
    uuid: shipment.uuid,
    allowed_operations: array([]),
    current_operations: struct({}),
    power_state: "Halted",
    name_label: shipment.title,
    name_description: [shipment.summary, ...shipment.notes].filter(Boolean).join(" "),
    user_version: 1,
    is_a_template: shipment.isTemplate,
    suspend_VDI: none,
    resident_on: none,
    affinity: none,
    memory_target: bytes(memoryMib),
    memory_static_max: bytes(maxMemoryMib),
    memory_dynamic_max: bytes(memoryMib),
    memory_dynamic_min: bytes(memoryMib),
    memory_static_min: bytes(Math.min(16, memoryMib)),
    VCPUs_params: struct({}),
    VCPUs_max: maxVcpus,
    VCPUs_at_startup: vcpus,
    actions_after_shutdown: "destroy",
    actions_after_reboot: "restart",
    actions_after_crash: "restart",
    consoles: array([]),
    VIFs: array(shipment.nics.map((_, index) => vifReference(index))),
    VBDs: array(disks.map((_, index) => vbdReference(index))),
    crash_dumps: array([]),
    VTPMs: array([]),
    PV_bootloader: isPv ? "pygrub" : "",
    PV_kernel: "",
    PV_ramdisk: "",
    PV_args: "",
    PV_bootloader_args: "",
    PV_legacy_args: "",
    HVM_boot_policy: isPv ? "" : "BIOS order",
    HVM_boot_params: struct(
      isPv ? {} : { order: "cd", ...(shipment.firmware === "uefi" && { firmware: "uefi" }) },
    ),
    HVM_shadow_multiplier: leaf("double", 1),
    platform: struct({ nx: "true", acpi: "true", apic: "true", pae: "true", viridian: "false" }),
    PCI_bus: "",
    other_config: struct({ mac_seed: uuidOf(`${shipment.uuid} mac`) }),
    domid: -1,
    domarch: "",
    last_boot_CPU_flags: struct({}),
    is_control_domain: false,
    metrics: none,
    guest_metrics: none,
    last_booted_record: "",
    recommendations: "",
    xenstore_data: struct({}),
    ha_always_run: false,
    ha_restart_priority: "",
    ...noSnapshots,
    transportable_snapshot_id: "",
    blobs: struct({}),
    tags: array([]),
    blocked_operations: struct({}),
  };
}

const deviceState = {
  currently_attached: false,
  status_code: 0,
  status_detail: "",
  runtime_properties: struct({}),
  qos_algorithm_type: "",
  qos_algorithm_params: struct({}),
  qos_supported_algorithms: array([]),
  metrics: none,
};

function blockDevice(
  { uuid, disks }: Shipment,
  { slot, isBoot, mode, name }: TravellingDisk,
  index: number,
): Record<string, Field> {
  const at = slotIndex(slot);
  // A disk in another kind of slot follows the others.
  const position = at < 256 ? at : disks.length + index;
  return {
    uuid: uuidOf(`${uuid} vbd ${name}`),
    allowed_operations: array([]),
    current_operations: struct({}),
    VM: machineReference,
    VDI: vdiReference(index),
    device: "",
    userdevice: position,
    bootable: isBoot,
    mode: mode === "r" ? "RO" : "RW",
    type: "Disk",
    unpluggable: !isBoot,
    storage_lock: false,
    empty: false,
    other_config: struct({ owner: "true" }),
    ...deviceState,
  };
}

function networkCard(
  { uuid, nics }: Shipment,
  networks: readonly string[],
  index: number,
): Record<string, Field> {
  const nic = nics[index];
  return {
    uuid: uuidOf(`${uuid} vif ${index}`),
    allowed_operations: array([]),
    current_operations: struct({}),
    device: index,
    network: networkReference(networks.indexOf(nic?.network ?? "")),
    VM: machineReference,
    MAC: nic?.mac?.toLowerCase() ?? "00:00:00:00:00:00",
    MTU: 0,
    other_config: struct({}),
    ...deviceState,
    // XenServer generates a MAC address unless this says that there is one.
    MAC_autogenerated: nic?.mac === undefined,
  };
}

function network({ uuid, nics }: Shipment, name: string, index: number): Record<string, Field> {
  return {
    uuid: uuidOf(`${uuid} network ${name}`),
    name_label: name,
    name_description: "",
    allowed_operations: array([]),
    current_operations: struct({}),
    VIFs: array(nics.flatMap((nic, at) => (nic.network === name ? [vifReference(at)] : []))),
    PIFs: array([]),
    other_config: struct({}),
    bridge: `xapi-tbuild${index}`,
    blobs: struct({}),
    tags: array([]),
  };
}

function diskImage(
  { uuid }: Shipment,
  { name, from, mode, isBoot }: TravellingDisk,
  index: number,
): Record<string, Field> {
  const id = uuidOf(`${uuid} vdi ${name}`);
  return {
    uuid: id,
    name_label: name,
    name_description: "",
    allowed_operations: array([]),
    current_operations: struct({}),
    SR: storageReference,
    VBDs: array([vbdReference(index)]),
    crash_dumps: array([]),
    virtual_size: from.bytes,
    physical_utilisation: from.bytes,
    type: isBoot ? "system" : "user",
    sharable: mode === "w!",
    read_only: mode === "r",
    other_config: struct({}),
    storage_lock: false,
    location: id,
    managed: true,
    missing: false,
    parent: none,
    xenstore_data: struct({}),
    sm_config: struct({}),
    ...noSnapshots,
    tags: array([]),
  };
}

/** Where the disks were. The import asks for a storage repository and ignores this one. */
function storage({ uuid }: Shipment, disks: number): Record<string, Field> {
  return {
    uuid: uuidOf(`${uuid} sr`),
    name_label: "Oracle VM",
    name_description: "",
    allowed_operations: array([]),
    current_operations: struct({}),
    VDIs: array(Array.from({ length: disks }, (_, index) => vdiReference(index))),
    PBDs: array([]),
    virtual_allocation: 0,
    physical_utilisation: -1,
    physical_size: -1,
    type: "lvm",
    content_type: "user",
    shared: false,
    other_config: struct({}),
    tags: array([]),
    sm_config: struct({}),
    blobs: struct({}),
  };
}
