import { open, rename, rm, stat } from "node:fs/promises";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { explained, writeAll } from "../../io/durable.ts";
import { inParallel } from "../../io/parallel.ts";
import type { Store } from "../store.ts";
import { chunksOfImage } from "./chunker.ts";
import { diskListText, type Part } from "./disk-list.ts";
import { chunksAtATime, openChunks, openPackWriter, readPacks } from "./packs.ts";
import type { StoreFolder } from "./store-folder.ts";

type Disks = Pick<Store, "putDisk" | "restoreDisk" | "readDisk">;

/** Disks as lists of chunks: adds them to the store, and reads them from it. */
export function storedDisks(host: Runner, at: StoreFolder): Disks {
  const { folder } = at;
  const self: Disks = {
    async putDisk(file, name, signal) {
      await using _lock = await at.lock(signal);
      const { size } = await stat(file);
      const writer = await openPackWriter(folder, (await readPacks(folder)).chunks.keys());
      const prepared = inParallel(
        chunksOfImage(host, file, signal),
        chunksAtATime,
        async ({ start, data }) => ({
          start,
          length: data.length,
          chunk: await writer.prepare(data),
        }),
      );
      const parts: Part[] = [];
      let [end, dataBytes] = [0, 0];
      for await (const { start, length, chunk } of prepared) {
        if (start > end) parts.push({ chunk: undefined, length: start - end });
        parts.push({ chunk: chunk.digest, length });
        end = start + length;
        dataBytes += length;
        await writer.add(chunk);
      }
      if (end < size) parts.push({ chunk: undefined, length: size - end });
      await writer.close();
      const digest = await at.addList(diskListText(size, parts));
      const chunks = parts.filter(({ chunk }) => chunk !== undefined).length;
      return { name, digest, bytes: size, dataBytes, chunks };
    },

    async restoreDisk(disk, to, signal) {
      const partial = `${to}.part`;
      try {
        const handle = await open(partial, "w");
        try {
          await handle.truncate(disk.bytes);
          for await (const { start, data } of self.readDisk(disk, signal))
            if (data) await writeAll(handle, data, start);
        } finally {
          await handle.close();
        }
        await rename(partial, to);
      } catch (error) {
        await rm(partial, { force: true }).catch(() => {});
        throw explained(error, to);
      }
    },

    async *readDisk(disk, signal) {
      const parts = await at.partsOf(disk);
      await using chunks = await openChunks(folder);
      let start = 0;
      const read = inParallel(parts, chunksAtATime, async ({ chunk, length }) => ({
        length,
        data: chunk === undefined ? undefined : await chunks.read(chunk),
      }));
      for await (const { length, data } of read) {
        checkInterrupted(signal);
        if (data && data.length !== length)
          throw new TbuildError(
            "integrity",
            `disk ${disk.digest}: a chunk does not have the length in its list`,
          );
        yield { start, length, ...(data && { data }) };
        start += length;
      }
    },
  };
  return self;
}
