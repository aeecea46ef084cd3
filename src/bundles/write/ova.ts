import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Run, StoredDisk } from "../../model/disk.ts";
import { counted, diskProgress, type Format } from "./format.ts";
import { type BundleOutput, tarOutput } from "./output.ts";
import { ovfDescriptor } from "./ovf.ts";
import { streamVmdk } from "./stream-vmdk.ts";

/**
 * An OVF package in a tar, in the order that OVF requires and Oracle uses: descriptor, checksums, disks. Descriptor and
 * checksums contain the compressed sizes and sums of the disks, so space is reserved for them and filled in last. The
 * disks are compressed once, directly into the bundle.
 */
export const ova: Format = {
  name: "ova",
  extension: ".ova",
  async pack(template, store, folder, options) {
    const id = `${template.name}-${template.version}`;
    const progress = diskProgress(template, options);
    const descriptorOf = (files: readonly PackedDisk[]) =>
      Buffer.from(
        ovfDescriptor(
          template,
          files.map(({ name, bytes }) => ({ href: name, bytes })),
        ),
      );
    const sumsOf = (descriptor: Uint8Array, files: readonly PackedDisk[]) => {
      const sha1 = createHash("sha1").update(descriptor).digest("hex");
      return Buffer.from(
        [{ name: `${id}.ovf`, sha1 }, ...files].map((one) => `SHA1(${one.name})= ${one.sha1}\n`).join(""),
      );
    };
    const packed = await tarOutput(join(folder, `${id}.ova`), options, async (output) => {
      const largest = template.disks.map((disk) => ({
        name: `${disk.name}.vmdk`,
        bytes: largestBytes,
        sha1: noSum,
      }));
      const room = descriptorOf(largest).length;
      const fillDescriptor = await output.reserve(`${id}.ovf`, room);
      const fillSums = await output.reserve(`${id}.mf`, sumsOf(Buffer.alloc(0), largest).length);
      const files: PackedDisk[] = [];
      for (const disk of template.disks)
        files.push(await packDisk(output, disk, counted(store.readDisk(disk, options.signal), progress)));
      const text = descriptorOf(files);
      const descriptor = Buffer.concat([text, Buffer.alloc(room - text.length, " ")]);
      await fillDescriptor(descriptor);
      await fillSums(sumsOf(descriptor, files));
    });
    return [packed];
  },
};

interface PackedDisk {
  readonly name: string;
  readonly bytes: number;
  readonly sha1: string;
}

const largestBytes = 999_999_999_999_999;
const noSum = "0".repeat(40);

function packDisk(output: BundleOutput, disk: StoredDisk, runs: AsyncIterable<Run>): Promise<PackedDisk> {
  const name = `${disk.name}.vmdk`;
  const id = disk.digest.slice("sha256:".length).slice(0, 8);
  return output.add(name, async (out) => {
    const sum = createHash("sha1");
    for await (const part of streamVmdk(runs, { name: disk.name, bytes: disk.bytes, id }, out)) {
      sum.update(part);
      await out.append(part);
    }
    return { name, bytes: out.position, sha1: sum.digest("hex") };
  });
}
