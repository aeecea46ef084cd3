import { open } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import { pacer } from "../../host/long-work.ts";
import { writeAll } from "../../io/durable.ts";
import { fileWord } from "../../io/escape.ts";
import { fileReader, type Reader } from "../../io/reader.ts";
import { qcow2Header } from "./qcow2.ts";

/**
 * Zeros the unused clusters of a qcow2 file. They still contain the data that they had when they were freed.
 * `signal` aborts it.
 */
export async function clearFreeClusters(file: string, signal?: AbortSignal): Promise<void> {
  const found: { readonly at: number; readonly bytes: number }[] = [];
  {
    await using reader = await fileReader(file);
    const pace = pacer(signal);
    for await (const run of freeRuns(file, reader)) {
      for (let at = run.from; at < run.to; at += stepBytes) {
        const turn = pace();
        if (turn) await turn;
        const bytes = Math.min(stepBytes, run.to - at);
        if (Buffer.from(await reader.read(at, bytes)).some((byte) => byte !== 0)) found.push({ at, bytes });
      }
    }
  }
  if (found.length === 0) return;
  await using target = await open(file, "r+");
  for (const { at, bytes } of found) await writeAll(target, Buffer.alloc(bytes), at);
  await target.sync();
}

const stepBytes = 1 << 20;

// docs/interop/qcow2.txt of qemu, "Host cluster management": a table of blocks, with a count of uses for each cluster.
async function* freeRuns(file: string, reader: Reader): AsyncGenerator<{ from: number; to: number }> {
  const { clusterBytes, refcounts } = await qcow2Header(file, reader);
  const { at, clusters, bits, isDirty } = refcounts;
  const tableBytes = clusters * clusterBytes;
  if (isDirty || at + tableBytes > reader.bytes)
    throw new TbuildError("integrity", "its counts of used clusters cannot be trusted", {
      subject: file,
      hint: `See: qemu-img check ${fileWord(file)}`,
    });
  const table = Buffer.from(await reader.read(at, tableBytes));
  const perBlock = (clusterBytes * 8) / bits;
  for (let index = 0; index * perBlock * clusterBytes < reader.bytes; index++) {
    const place = (index + 1) * 8 <= tableBytes ? Number(table.readBigUInt64BE(index * 8)) : 0;
    const isThere = place > 0 && place + clusterBytes <= reader.bytes;
    const block = isThere ? Buffer.from(await reader.read(place, clusterBytes)) : undefined;
    let from: number | undefined;
    for (let inside = 0; inside <= perBlock; inside++) {
      const start = Math.min((index * perBlock + inside) * clusterBytes, reader.bytes);
      const isFree = inside < perBlock && start < reader.bytes && !isUsed(block, inside, bits);
      if (isFree) from ??= start;
      else if (from !== undefined) {
        yield { from, to: start };
        from = undefined;
      }
    }
  }
}

function isUsed(block: Buffer | undefined, index: number, bits: number): boolean {
  if (!block) return false;
  if (bits < 8)
    return (((block[(index * bits) >> 3] ?? 0) >> ((index * bits) & 7)) & ((1 << bits) - 1)) !== 0;
  const bytes = bits / 8;
  return block.subarray(index * bytes, (index + 1) * bytes).some((byte) => byte !== 0);
}
