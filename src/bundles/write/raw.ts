import { join } from "node:path";
import { counted, diskFile, diskProgress, type Format, type Packed } from "./format.ts";
import { writePacked } from "./packed-file.ts";

/** The disks unchanged, with their holes. */
export const raw: Format = {
  name: "raw",
  extension: ".img",
  async pack(template, store, folder, options) {
    const progress = diskProgress(template, options);
    const packed: Packed[] = [];
    for (const [index, disk] of template.disks.entries()) {
      const file = join(folder, diskFile(template, index, raw.extension));
      packed.push(
        await writePacked(file, options, async (out) => {
          for await (const { length, data } of counted(store.readDisk(disk, options.signal), progress))
            await (data ? out.append(data) : out.skip(length));
        }),
      );
    }
    return packed;
  },
};
