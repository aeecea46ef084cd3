import type { Shipment, ShippedDisk, ShippedNic } from "./shipment.ts";
import { diskName } from "./slots.ts";
import { document, type Lines, leaf, node } from "./xml.ts";

// The i440FX machine has two IDE channels with two devices each.
const mostIdeDevices = 4;

/**
 * A libvirt domain (libvirt.org/formatdomain.html). `path` is the path of a disk's qcow2 on the host. Disks are named in
 * the order of their slots, since a guest numbers virtio disks without gaps.
 */
export function domainXml(shipment: Shipment, path: (name: string) => string): string {
  const { id, uuid, title, summary, firmware, devices } = shipment;
  const isVirtio = devices === "virtio";
  const bus = isVirtio ? "virtio" : shipment.disks.length + shipment.drives > mostIdeDevices ? "sata" : "ide";
  const driveBus = bus === "virtio" ? "ide" : bus;
  const prefixes = { virtio: "vd", ide: "hd", sata: "sd" };
  const firstDrive = isVirtio ? 0 : shipment.disks.length;
  const drives = Array.from({ length: shipment.drives }, (_, index) =>
    node("disk", { type: "file", device: "cdrom" }, [
      node("target", { dev: diskName(firstDrive + index, prefixes[driveBus]), bus: driveBus }),
      node("readonly"),
    ]),
  );
  const description = [summary, ...shipment.notes, ...sharedNotes(shipment)].filter(Boolean).join(" ");
  const root = node("domain", { type: "kvm" }, [
    leaf("name", id),
    leaf("uuid", uuid),
    ...(title === id ? [] : [leaf("title", title.replaceAll(/[\r\n]+/g, " "))]),
    leaf("description", description),
    leaf("memory", shipment.maxMemoryMib, { unit: "MiB" }),
    leaf("currentMemory", shipment.memoryMib, { unit: "MiB" }),
    leaf("vcpu", shipment.maxVcpus, shipment.vcpus < shipment.maxVcpus ? { current: shipment.vcpus } : {}),
    node("os", firmware === "uefi" ? { firmware: "efi" } : {}, [leaf("type", "hvm", { arch: "x86_64" })]),
    node("features", {}, [node("acpi"), node("apic"), node("pae")]),
    node("clock", { offset: "utc" }),
    leaf("on_poweroff", "destroy"),
    leaf("on_reboot", "restart"),
    leaf("on_crash", "restart"),
    node("devices", {}, [
      ...shipment.disks.map((disk, index) =>
        diskLines(disk, path(disk.name), { dev: diskName(index, prefixes[bus]), bus }),
      ),
      ...drives,
      ...shipment.nics.map((nic) => nicLines(nic, isVirtio)),
      node("serial", { type: "pty" }),
      node("console", { type: "pty" }, [node("target", { type: "serial" })]),
      node("input", { type: "tablet", bus: "usb" }),
      node("graphics", { type: "vnc", autoport: "yes", listen: "127.0.0.1" }),
      node("video", {}, [node("model", { type: "vga" })]),
    ]),
  ]);
  return document(root);
}

function diskLines(
  { from, mode, isBoot, slot }: ShippedDisk,
  path: string,
  target: { dev: string; bus: string },
): Lines {
  const isDevice = from.kind === "device";
  const isShared = mode === "w!" && from.kind !== "image";
  return node("disk", { type: isDevice ? "block" : "file", device: "disk" }, [
    // A disk that other machines write to must not be cached by this one.
    node("driver", {
      name: "qemu",
      type: from.kind === "image" ? "qcow2" : "raw",
      ...(isShared && { cache: "none" }),
    }),
    node("source", isDevice ? { dev: from.path } : { file: from.kind === "image" ? path : from.path }),
    node("target", target),
    ...(mode === "r" ? [node("readonly")] : []),
    ...(isShared ? [node("shareable")] : []),
    ...(isBoot ? [node("boot", { order: 1 })] : []),
    // Becomes the guest's /dev/disk/by-id name, which tells the disk's slot under Xen.
    leaf("serial", slot),
  ]);
}

/** libvirt shares raw disks only, but qcow2 files are transferred. */
function sharedNotes({ disks }: Shipment): string[] {
  return disks
    .filter(({ mode, from }) => mode === "w!" && from.kind === "image")
    .map(
      ({ name }) =>
        `Several machines shared the disk ${name}: to share it, convert it to raw, and add <shareable/>.`,
    );
}

function nicLines({ network, isBridge, mac }: ShippedNic, isVirtio: boolean): Lines {
  return node("interface", { type: isBridge ? "bridge" : "network" }, [
    ...(mac === undefined ? [] : [node("mac", { address: mac.toLowerCase() })]),
    node("source", isBridge ? { bridge: network } : { network }),
    node("model", { type: isVirtio ? "virtio" : "e1000" }),
  ]);
}
