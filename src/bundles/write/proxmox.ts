import { text } from "./output.ts";
import { type Shipment, travelling } from "./shipment.ts";
import { addQcow2, type Shipping } from "./shipping-format.ts";

/** The machine's number. It must be free in the whole cluster, so it may have to be changed at installation. */
export const proxmoxId = 9000;

/**
 * For Proxmox VE: the configuration and the disks, in the layout of its storage "local": `images/` belongs in /var/lib/vz, the
 * .conf in /etc/pve/qemu-server.
 */
export const proxmox: Shipping = {
  name: "proxmox",
  extension: ".proxmox.tar",
  kind: "files",
  async load(shipment, output, loading) {
    await output.add(`${proxmoxId}.conf`, text(proxmoxConf(shipment)));
    for (const disk of travelling(shipment))
      await addQcow2(output, `images/${proxmoxId}/${imageName(shipment, disk.name)}`, disk, loading);
  },
};

function imageName(shipment: Shipment, disk: string): string {
  const number = shipment.disks.findIndex(({ name }) => name === disk);
  return `vm-${proxmoxId}-disk-${number}.qcow2`;
}

/** The configuration of a machine, one `key: value` per line (qm.conf(5)). Lines that start with # are its notes. */
export function proxmoxConf(shipment: Shipment): string {
  const { disks, nics, drives, devices, vcpus, maxVcpus, memoryMib, maxMemoryMib } = shipment;
  const bus = busOf(shipment);
  const boot = disks.findIndex(({ isBoot }) => isBoot);
  const diskLines = disks.map((disk, index) => {
    const { from, mode } = disk;
    const volume = from.kind === "image" ? `local:${proxmoxId}/${imageName(shipment, disk.name)}` : from.path;
    // Proxmox has no mode for disks that several machines write to. Such a disk must neither be cached nor backed up.
    const options = [
      ...(from.kind === "image" ? [`size=${sizeText(from.bytes)}`] : []),
      ...(mode === "w!" && from.kind !== "image" ? ["backup=0", "cache=none", "shared=1"] : []),
      ...(mode === "r" && bus !== "ide" && bus !== "sata" ? ["ro=1"] : []),
    ];
    return `${bus}${index}: ${[volume, ...options].join(",")}`;
  });
  const driveBus = bus === "sata" ? "sata" : "ide";
  const firstDrive = bus === driveBus ? disks.length : 2;
  const lines = [
    ...notesOf(shipment).map((line) => `#${line}`),
    ...(shipment.firmware === "uefi" ? ["bios: ovmf"] : []),
    ...(boot < 0 ? [] : [`boot: order=${bus}${boot}`]),
    `cores: ${maxVcpus}`,
    ...diskLines,
    ...Array.from(
      { length: Math.min(drives, 2) },
      (_, i) => `${driveBus}${firstDrive + i}: none,media=cdrom`,
    ),
    `memory: ${maxMemoryMib}`,
    ...(memoryMib < maxMemoryMib ? [`balloon: ${memoryMib}`] : []),
    `name: ${hostName(shipment.id)}`,
    ...nics.map(({ network, mac }, index) => {
      const model = devices === "virtio" ? "virtio" : "e1000";
      return `net${index}: ${mac === undefined ? model : `${model}=${mac.toUpperCase()}`},bridge=${bridgeName(network)}`;
    }),
    "ostype: l26",
    "serial0: socket",
    `smbios1: uuid=${shipment.uuid}`,
    "sockets: 1",
    ...(vcpus < maxVcpus ? [`vcpus: ${vcpus}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function busOf({ devices, disks, drives }: Shipment): "virtio" | "ide" | "sata" {
  if (devices === "virtio") return "virtio";
  return disks.length + drives > 4 ? "sata" : "ide";
}

function notesOf({ title, summary, notes, firmware }: Shipment): string[] {
  const uefi = firmware === "uefi" ? ["Boots by UEFI: add a disk for its variables (efidisk0)."] : [];
  // Notes are stored with % and control characters encoded.
  return [title, summary, ...notes, ...uefi]
    .filter(Boolean)
    .map((line) => line.replaceAll(/[%\p{Cc}]/gu, (one) => encodeURIComponent(one)));
}

function sizeText(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30}G` : `${Math.ceil(bytes / 1024)}K`;
}

/** Names are DNS names there. */
function hostName(id: string): string {
  const name = id.replaceAll(/[^A-Za-z0-9.-]+/g, "-").replaceAll(/^[-.]+|[-.]+$/g, "");
  return name === "" ? "vm" : name.slice(0, 63).replace(/[-.]+$/, "");
}

// A comma would end the option.
function bridgeName(network: string): string {
  return network.replaceAll(/[^\w.-]+/g, "-");
}
