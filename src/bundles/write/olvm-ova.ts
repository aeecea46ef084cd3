import { uuidOf } from "../../model/uuid.ts";
import { type OlvmDisk, olvmOvf } from "./olvm-ovf.ts";
import { type Shipment, type TravellingDisk, travelling } from "./shipment.ts";
import { addQcow2, type Shipping } from "./shipping-format.ts";

/**
 * An OVA in the dialect of oVirt and Oracle Linux Virtualization Manager, as Oracle's own packer writes it
 * (oracle-linux-image-tools, cloud/olvm/mk-envelope.py): vm.ovf or template.ovf, then the disks as qcow2, without a manifest.
 * A disk's file is named after its id.
 */
export const olvmOva: Shipping = {
  name: "olvm-ova",
  extension: ".olvm.ova",
  kind: "archive",
  async load(shipment, output, loading) {
    const disks = travelling(shipment);
    const sized = (disk: TravellingDisk, fileBytes: number, unpackedBytes: number): OlvmDisk => ({
      disk,
      fileBytes,
      unpackedBytes,
      fileId: idOf(shipment, disk, "file"),
      diskId: idOf(shipment, disk, "disk"),
    });
    // The descriptor comes first and states the sizes of the disks that follow.
    const room = olvmOvf(
      shipment,
      disks.map((disk) => sized(disk, mostBytes, mostBytes)),
    ).length;
    const name = shipment.isTemplate ? "template.ovf" : "vm.ovf";
    const fill = await output.reserve(name, room);
    const written: OlvmDisk[] = [];
    for (const disk of disks) {
      const { bytes, unpackedBytes } = await addQcow2(output, idOf(shipment, disk, "file"), disk, loading);
      written.push(sized(disk, bytes, unpackedBytes));
    }
    const text = olvmOvf(shipment, written);
    await fill(Buffer.concat([text, Buffer.alloc(room - text.length, " ")]));
  },
};

const mostBytes = 999_999_999_999_999;

function idOf({ uuid }: Shipment, { name }: TravellingDisk, what: "file" | "disk"): string {
  return uuidOf(`${uuid} ${what} ${name}`);
}
