import type { DeviceKind, DomainType, Firmware } from "../../choices.ts";
import type { Run } from "../../model/disk.ts";
import type { Manifest } from "../../model/manifest.ts";
import { bootSentence, firstBootSentence } from "../../model/manifest-sentences.ts";
import { uuidOf } from "../../model/uuid.ts";
import type { Store } from "../../store/store.ts";
import { readVif } from "../../vm-cfg/devices.ts";
import { slotIndex, slotsOf } from "./slots.ts";

/** A machine that moves to another hypervisor: a template of the store, or a machine of Oracle VM. */
export interface Shipment {
  /** For names of files and machines: letters, digits, dots, dashes and underscores. */
  readonly id: string;
  /** The name that people use. */
  readonly title: string;
  readonly summary: string;
  /** Sentences on where it comes from and what is known about its guest. */
  readonly notes: readonly string[];
  readonly uuid: string;
  /** When it was made: ISO 8601, UTC. */
  readonly made: string;
  /** The mode that its guest is prepared for. */
  readonly domainType: DomainType | "KVM";
  readonly firmware: Firmware;
  /** Release of Oracle Linux; 0 if unknown. */
  readonly major: number;
  readonly isTemplate: boolean;
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMib: number;
  readonly maxMemoryMib: number;
  readonly nics: readonly ShippedNic[];
  /** In the order in which the guest sees them. */
  readonly disks: readonly ShippedDisk[];
  /** The number of empty drives for discs. */
  readonly drives: number;
  readonly devices: DeviceKind;
}

export interface ShippedNic {
  readonly network: string;
  /** A bridge of the host; otherwise a network that the target manages. */
  readonly isBridge: boolean;
  readonly mac?: string;
}

export interface ShippedDisk {
  /** For file names: letters, digits, dashes and underscores. */
  readonly name: string;
  /** The slot that the guest had under Xen: xvda, hda. */
  readonly slot: string;
  readonly mode: "w" | "r" | "w!";
  readonly isBoot: boolean;
  readonly from: DiskImage | DiskDevice;
}

/** A disk whose bytes are transferred. */
export interface DiskImage {
  readonly kind: "image";
  readonly bytes: number;
  read(signal: AbortSignal | undefined): AsyncIterable<Run>;
}

/** A disk that already exists on the target host: a block device or an image file. */
export interface DiskDevice {
  readonly kind: "device" | "file";
  readonly path: string;
}

export type TravellingDisk = ShippedDisk & { readonly from: DiskImage };

/** The disks whose bytes are transferred. */
export function travelling({ disks }: Shipment): TravellingDisk[] {
  return disks.filter((disk): disk is TravellingDisk => disk.from.kind === "image");
}

/** A template of the store. The same template always gives the same shipment. */
export function shipmentOf(template: Manifest, store: Store): Shipment {
  const { machine, release } = template;
  const id = `${template.name}-${template.version}`;
  const slots = slotsOf(template);
  const disks = template.disks.map(
    (disk, index): ShippedDisk => ({
      name: disk.name,
      slot: slots[index] ?? "xvda",
      mode: disk.mode ?? "w",
      isBoot: index === 0,
      from: { kind: "image", bytes: disk.bytes, read: (signal) => store.readDisk(disk, signal) },
    }),
  );
  const vifs = machine.vifs ?? machine.nics.map(() => "");
  const rehearsal = template.rehearsal
    ? ["A REHEARSAL, made of Debian's binaries; it is not Oracle Linux."]
    : [];
  return {
    id,
    title: id,
    summary: template.summary,
    made: template.made,
    isTemplate: true,
    notes: [
      ...rehearsal,
      `Made ${template.made} by tbuild ${template.tbuild} from ${template.recipe}.`,
      firstBootSentence(template),
      bootSentence(template),
    ],
    uuid: uuidOf(`${id} ${template.recipe} ${template.disks.map(({ digest }) => digest).join(" ")}`),
    domainType: template.domainType,
    firmware: machine.firmware ?? "bios",
    major: release.major,
    vcpus: machine.vcpus,
    maxVcpus: machine.maxVcpus ?? machine.vcpus,
    memoryMib: machine.memoryMib,
    maxMemoryMib: machine.maxMemoryMib ?? machine.memoryMib,
    nics: machine.nics.map((network, index) => {
      const mac = readVif(vifs[index] ?? "").get("mac");
      return { network, isBridge: false, ...(isMac(mac) && { mac }) };
    }),
    disks: disks.sort((one, other) => slotIndex(one.slot) - slotIndex(other.slot)),
    drives: machine.drives?.length ?? 0,
    devices: "virtio",
  };
}

export function isMac(text: string | undefined): text is string {
  return text !== undefined && /^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(text);
}
