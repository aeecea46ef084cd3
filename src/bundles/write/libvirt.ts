import { domainXml } from "./domain-xml.ts";
import { text } from "./output.ts";
import { travelling } from "./shipment.ts";
import { addQcow2, type Shipping } from "./shipping-format.ts";

/** The default folder of libvirt's images. */
export const libvirtImages = "/var/lib/libvirt/images";

/** For KVM with libvirt: the disks, and a description for `virsh define`. The folder belongs in `libvirtImages`. */
export const libvirt: Shipping = {
  name: "libvirt",
  extension: ".libvirt.tar",
  kind: "files",
  async load(shipment, output, loading) {
    const path = (name: string) => `${libvirtImages}/${shipment.id}/${name}.qcow2`;
    await output.add(`${shipment.id}.xml`, text(domainXml(shipment, path)));
    for (const disk of travelling(shipment)) await addQcow2(output, `${disk.name}.qcow2`, disk, loading);
  },
};
