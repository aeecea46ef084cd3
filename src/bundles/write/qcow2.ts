import { join } from "node:path";
import { blocksOf } from "./blocks.ts";
import { counted, diskFile, diskProgress, type Format, type Packed } from "./format.ts";
import { writePacked } from "./packed-file.ts";
import { clusterBytes, writeQcow2 } from "./qcow2-file.ts";

/** Each disk as a compressed qcow2, for qemu, KVM and libvirt. */
export const qcow2: Format = {
  name: "qcow2",
  extension: ".qcow2",
  async pack(template, store, folder, options) {
    const progress = diskProgress(template, options);
    const packed: Packed[] = [];
    for (const [index, disk] of template.disks.entries()) {
      const file = join(folder, diskFile(template, index, qcow2.extension));
      const blocks = counted(blocksOf(store.readDisk(disk, options.signal), clusterBytes), progress);
      packed.push(
        await writePacked(file, options, async (out) => void (await writeQcow2(out, disk.bytes, blocks))),
      );
    }
    return packed;
  },
};
