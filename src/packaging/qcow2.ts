import { rm } from "node:fs/promises";
import { join } from "node:path";
import { localHost } from "../host/local.ts";
import type { Format, Packed } from "./format.ts";
import { fileParts, writePacked } from "./packed-file.ts";

/** The first disk as a compressed qcow2, for qemu, KVM and libvirt. */
export const qcow2: Format = {
  name: "qcow2",
  extension: ".qcow2",
  needs: ["qemu-img"],
  async pack(template, store, folder, options): Promise<Packed> {
    const disk = template.disks[0];
    if (!disk) throw new Error(`${template.name} has no disk`);
    const work = join(folder, `.${template.name}-${template.version}.qcow2`);
    try {
      // Without -W, and one request at a time: writing out of order is faster, and gives other bytes each time.
      const argv = [
        "qemu-img",
        "convert",
        ...["-m", "1"],
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        "-o",
        "compat=1.1",
        await store.openDisk(disk),
        work,
      ];
      await localHost().run(argv, options.signal ? { signal: options.signal } : {});
      return await writePacked(
        join(folder, `${template.name}-${template.version}.qcow2`),
        fileParts(work),
        options,
      );
    } finally {
      await rm(work, { force: true });
    }
  },
};
