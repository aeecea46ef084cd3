import { join } from "node:path";
import { promisify } from "node:util";
import { crc32, gzip } from "node:zlib";
import { inParallel } from "../../io/parallel.ts";
import { tarEnd, tarHeader, tarPadding } from "../../io/tar.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Store } from "../../store/store.ts";
import { blocksOf } from "./blocks.ts";
import { deflatedBytes } from "./deflated.ts";
import { counted, diskProgress, type Format, type Packed, type PackOptions } from "./format.ts";
import type { DeflatedBlock } from "./packed-blocks.ts";
import { writePacked } from "./packed-file.ts";
import { vmCfg, xlCfg } from "./vm-cfg.ts";

const zerosBytes = 1 << 20;

/** A template as the archive that `importTemplate` of Oracle VM reads: vm.cfg and the plain images. */
export const ovmTgz: Format = {
  name: "ovm-tgz",
  extension: ".tgz",
  pack: (template, store, folder, options) =>
    packTgz(template, store, join(folder, `${idOf(template)}.tgz`), options, "", vmCfg(template)),
};

/**
 * A template for a Xen host with xl: a folder with vm.cfg and the plain images, to be unpacked in /var/lib/xen/images. xl needs
 * absolute paths of its disks (xl-disk-configuration(5), target).
 */
export const xl: Format = {
  name: "xl",
  extension: ".xl.tgz",
  pack(template, store, folder, options) {
    const id = idOf(template);
    const config = xlCfg(template, (disk) => `/var/lib/xen/images/${id}/${disk.name}.img`);
    return packTgz(template, store, join(folder, `${id}.xl.tgz`), options, `${id}/`, config);
  },
};

function idOf({ name, version }: Manifest): string {
  return `${name}-${version}`;
}

/**
 * Writes `<prefix>vm.cfg` and the images. The file consists of gzip members, which any gzip reads as one stream (RFC
 * 1952, 2.2). Members are compressed in parallel, and the member of zeros only once. Blocks of disks are deflated as in the
 * other formats, so each is deflated once for all.
 */
async function packTgz(
  template: Manifest,
  store: Store,
  file: string,
  options: PackOptions,
  prefix: string,
  config: Uint8Array,
): Promise<readonly Packed[]> {
  const progress = diskProgress(template, options);
  async function* pieces(): AsyncIterable<
    Uint8Array | { readonly data: Uint8Array } | { readonly zeros: number }
  > {
    yield Buffer.concat([
      await tarHeader(`${prefix}vm.cfg`, config.length),
      config,
      tarPadding(config.length),
    ]);
    for (const disk of template.disks) {
      yield await tarHeader(`${prefix}${disk.name}.img`, disk.bytes);
      const runs = counted(store.readDisk(disk, options.signal), progress);
      for await (const { length, data } of blocksOf(runs, deflatedBytes))
        yield data ? { data } : { zeros: length };
      if (disk.bytes % 512 !== 0) yield tarPadding(disk.bytes);
    }
    yield tarEnd;
  }
  const packed = await writePacked(file, options, async (out) => {
    const zeros = await member(new Uint8Array(zerosBytes));
    const members = inParallel(pieces(), 64, async (piece) => {
      if ("zeros" in piece) return piece;
      if (!("data" in piece)) return { whole: await member(piece) };
      return { block: await out.deflate(piece.data), data: piece.data };
    });
    for await (const one of members)
      if ("whole" in one) await out.append(one.whole);
      else if ("block" in one) {
        out.holds(one.block, out.position + gzipHeader.length);
        for (const part of memberOf(one.block, one.data)) await out.append(part);
      } else {
        for (let left = one.zeros; left >= zerosBytes; left -= zerosBytes) await out.append(zeros);
        const rest = one.zeros % zerosBytes;
        if (rest > 0) await out.append(await member(new Uint8Array(rest)));
      }
  });
  return [packed];
}

// RFC 1952, 2.3: deflate, no name, no time, from Unix.
const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

function memberOf(block: DeflatedBlock, data: Uint8Array): Uint8Array[] {
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc32(data), 0);
  end.writeUInt32LE(data.length, 4);
  return [gzipHeader, block.bytes, end];
}

const compress = promisify(gzip) as (data: Uint8Array, options: object) => Promise<Uint8Array>;

function member(data: Uint8Array): Promise<Uint8Array> {
  return compress(data, { level: 6, memLevel: 9 });
}
