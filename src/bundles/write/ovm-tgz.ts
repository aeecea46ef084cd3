import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { inParallel } from "../../io/parallel.ts";
import { tarEnd, tarHeader, tarPadding } from "../../io/tar.ts";
import { blocksOf } from "./blocks.ts";
import { counted, diskProgress, type Format } from "./format.ts";
import { writePacked } from "./packed-file.ts";
import { vmCfg } from "./vm-cfg.ts";

const blockBytes = 1 << 20;

/**
 * What `importTemplate` of Oracle VM takes: vm.cfg and the plain images in a .tgz. It is made of gzip members, which
 * any gzip reads as one stream (RFC 1952, 2.2): each is compressed by itself, and one of zeros only once.
 */
export const ovmTgz: Format = {
  name: "ovm-tgz",
  extension: ".tgz",
  async pack(template, store, folder, options) {
    const progress = diskProgress(template, options);
    async function* pieces(): AsyncIterable<Uint8Array | { readonly zeros: number }> {
      const config = vmCfg(template);
      yield Buffer.concat([await tarHeader("vm.cfg", config.length), config, tarPadding(config.length)]);
      for (const disk of template.disks) {
        yield await tarHeader(`${disk.name}.img`, disk.bytes);
        const runs = counted(store.readDisk(disk, options.signal), progress);
        for await (const { length, data } of blocksOf(runs, blockBytes)) yield data ?? { zeros: length };
        if (disk.bytes % 512 !== 0) yield tarPadding(disk.bytes);
      }
      yield tarEnd;
    }
    const file = join(folder, `${template.name}-${template.version}.tgz`);
    const packed = await writePacked(file, options, async (out) => {
      const zeros = await member(new Uint8Array(blockBytes));
      const members = inParallel(pieces(), 16, async (piece) =>
        "zeros" in piece ? piece : await member(piece),
      );
      for await (const one of members)
        if (!("zeros" in one)) await out.append(one);
        else {
          for (let left = one.zeros; left >= blockBytes; left -= blockBytes) await out.append(zeros);
          const rest = one.zeros % blockBytes;
          if (rest > 0) await out.append(await member(new Uint8Array(rest)));
        }
    });
    return [packed];
  },
};

const compress = promisify(gzip) as (data: Uint8Array, options: object) => Promise<Uint8Array>;

function member(data: Uint8Array): Promise<Uint8Array> {
  return compress(data, { level: 6, memLevel: 9 });
}
