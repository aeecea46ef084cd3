import { createHash } from "node:crypto";
import { inParallel } from "../../io/parallel.ts";
import { type Block, blocksOf } from "./blocks.ts";
import { counted } from "./format.ts";
import type { TarOutput } from "./output.ts";
import { ovaXml, vdiReference } from "./ova-xml.ts";
import { type TravellingDisk, travelling } from "./shipment.ts";
import type { Loading, Shipping } from "./shipping-format.ts";

const blockBytes = 1 << 20;

/**
 * The archive format of XCP-ng and XenServer: `ova.xml`, and each disk in blocks of 1 MiB, each followed by its
 * checksum. The rules are in xapi (ocaml/xapi/stream_vdi.ml): the first and the last block of a disk are present even
 * if they are zeros, other zero blocks are left out; names ascend; the last block ends with the disk; disks come in the
 * order of their references. `.checksum` is SHA-1, which every release reads; releases since 2020 also read `.xxhash`.
 */
export const xva: Shipping = {
  name: "xva",
  extension: ".xva",
  kind: "archive",
  async load(shipment, output, loading) {
    await output.put("ova.xml", ovaXml(shipment));
    const disks = travelling(shipment);
    for (const [index, disk] of disks.entries()) await addBlocks(output, vdiReference(index), disk, loading);
  },
};

async function addBlocks(
  output: TarOutput,
  prefix: string,
  { from }: TravellingDisk,
  { signal, progress }: Loading,
): Promise<void> {
  const blocks = wanted(counted(blocksOf(from.read(signal), blockBytes), progress), from.bytes);
  for await (const { name, data, sum } of inParallel(blocks, 4, summed)) {
    await output.put(`${prefix}/${name}`, data);
    await output.put(`${prefix}/${name}.checksum`, Buffer.from(sum));
  }
}

/** The blocks with data, and the first and the last. */
async function* wanted(blocks: AsyncIterable<Block>, bytes: number): AsyncIterable<Required<Block>> {
  const lastStart = (Math.ceil(bytes / blockBytes) - 1) * blockBytes;
  for await (const { start, length, data } of blocks) {
    if (data) {
      yield { start, length, data };
      continue;
    }
    for (const at of new Set([0, lastStart]))
      if (start <= at && at < start + length) {
        const size = Math.min(blockBytes, bytes - at);
        yield { start: at, length: size, data: new Uint8Array(size) };
      }
  }
}

async function summed({ start, data }: Required<Block>) {
  const name = String(start / blockBytes).padStart(8, "0");
  return { name, data, sum: createHash("sha1").update(data).digest("hex") };
}
