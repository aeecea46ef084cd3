import { open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { localHost } from "../host/local.ts";
import { dataExtents, dataFinder } from "../store/extents.ts";
import { tarEnd, tarHeader, tarPadding } from "../tar.ts";
import type { Format } from "./format.ts";
import { writePacked } from "./packed-file.ts";
import { vmCfg } from "./vm-cfg.ts";

const blockBytes = 1 << 20;

/** What `importTemplate` of Oracle VM takes: vm.cfg and the plain images in a .tgz. */
export const ovmTgz: Format = {
  name: "ovm-tgz",
  extension: ".tgz",
  needs: ["qemu-img"],
  async pack(template, store, folder, options) {
    const disks = await Promise.all(
      template.disks.map(async (disk) => ({ ...disk, path: await store.openDisk(disk) })),
    );
    const total = disks.reduce((sum, disk) => sum + disk.bytes, 0);
    let done = 0;
    async function* blocks(): AsyncIterable<Uint8Array | "zeros"> {
      const config = Buffer.from(vmCfg(template));
      yield Buffer.concat([await tarHeader("vm.cfg", config.length), config, tarPadding(config.length)]);
      for (const disk of disks) {
        yield await tarHeader(`${disk.name}.img`, disk.bytes);
        for await (const block of imageBlocks(disk.path, disk.bytes)) {
          done += blockBytes;
          options.progress?.(Math.min(done, total), total);
          yield block;
        }
        yield tarPadding(disk.bytes);
      }
      yield tarEnd;
    }
    return writePacked(
      join(folder, `${template.name}-${template.version}.tgz`),
      gzipMembers(blocks()),
      options,
    );
  },
};

/** An image in blocks of 1 MiB; holes and zeros are said, not read. The last block can be shorter. */
async function* imageBlocks(path: string, bytes: number): AsyncIterable<Uint8Array | "zeros"> {
  const hasData = dataFinder(await dataExtents(localHost(), path), blockBytes);
  const zeros = Buffer.alloc(blockBytes);
  const handle = await open(path, "r");
  try {
    for (let start = 0; start < bytes; start += blockBytes) {
      const length = Math.min(blockBytes, bytes - start);
      if (length === blockBytes && !hasData(start)) {
        yield "zeros";
        continue;
      }
      const buffer = Buffer.alloc(length);
      await handle.read(buffer, 0, length, start);
      yield length === blockBytes && buffer.equals(zeros) ? "zeros" : buffer;
    }
  } finally {
    await handle.close();
  }
}

/**
 * Compresses blocks as gzip members of their own, which any gzip reads as one stream (RFC 1952, 2.2). zlib works in
 * Node's thread pool, so several at a time keep all cores busy; a block of zeros is compressed once.
 */
async function* gzipMembers(blocks: AsyncIterable<Uint8Array | "zeros">): AsyncIterable<Uint8Array> {
  const compress = promisify(gzip) as (data: Uint8Array, options: object) => Promise<Uint8Array>;
  const member = (data: Uint8Array) =>
    compress(data, { level: 6, memLevel: 9, strategy: constants.Z_DEFAULT_STRATEGY });
  const zeros = member(new Uint8Array(blockBytes));
  const flying: Promise<Uint8Array>[] = [];
  for await (const block of blocks) {
    if (block !== "zeros" && block.length === 0) continue;
    flying.push(block === "zeros" ? zeros : member(block));
    if (flying.length >= 8) yield (await flying.shift()) as Uint8Array;
  }
  for (const one of flying) yield await one;
}
