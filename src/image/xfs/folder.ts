import { stringOf } from "../names.ts";
import { damagedXfs } from "./faults.ts";
import { runsOfXfs, type XfsInode } from "./inode.ts";
import type { Xfs } from "./xfs.ts";

/** An entry of a folder. */
export interface XfsEntry {
  readonly name: string;
  readonly inode: bigint;
}

/** The entries of a folder (struct xfs_dir2_sf_hdr and xfs_dir2_data_hdr of the kernel's xfs_da_format.h). */
export async function* entriesOfXfs(xfs: Xfs, folder: XfsInode): AsyncGenerator<XfsEntry> {
  if (folder.format === "local") {
    yield* shortEntries(xfs, folder.fork);
    return;
  }
  const { blockBytes, folderBlockBytes } = xfs.superblock;
  const each = folderBlockBytes / blockBytes;
  // A block of a folder may be in several runs.
  let parts: Buffer[] = [];
  for await (const { logical, block, count } of runsOfXfs(xfs, folder))
    for (let done = 0; done < count; done++) {
      // After it are indexes.
      if ((logical + done) * blockBytes >= entriesEnd) return;
      parts.push(Buffer.from(await xfs.volume.read((block + done) * blockBytes, blockBytes)));
      if (parts.length < each) continue;
      yield* blockEntries(xfs, Buffer.concat(parts));
      parts = [];
    }
}

const entriesEnd = 2 ** 35;

function* shortEntries({ name, superblock }: Xfs, fork: Buffer): Generator<XfsEntry> {
  const numberBytes = fork.readUInt8(1) > 0 ? 8 : 4;
  let at = 2 + numberBytes;
  const typeBytes = superblock.hasFileTypes ? 1 : 0;
  for (let left = fork.readUInt8(0); left > 0; left--) {
    const start = at + 3;
    const end = start + (fork[at] ?? 0);
    at = end + typeBytes + numberBytes;
    if (at > fork.length) throw damagedXfs(name, "a folder");
    const number = at - numberBytes;
    yield {
      name: stringOf(fork.subarray(start, end)),
      inode: numberBytes === 8 ? fork.readBigUInt64BE(number) : BigInt(fork.readUInt32BE(number)),
    };
  }
}

const head = { second: 16, third: 64 } as const;
const unused = 0xffff;
const tailBytes = 8;
const indexBytes = 8;

function* blockEntries({ name, superblock }: Xfs, block: Buffer): Generator<XfsEntry> {
  const wrong = damagedXfs(name, "a block of a folder");
  const magic = block.toString("latin1", 0, 4);
  const [only, one] = superblock.isFifth ? ["XDB3", "XDD3"] : ["XD2B", "XD2D"];
  if (magic !== only && magic !== one) throw wrong;
  // The only block of a folder has its index at the end.
  const indexed = magic === only ? tailBytes + block.readUInt32BE(block.length - tailBytes) * indexBytes : 0;
  const end = block.length - indexed;
  const typeBytes = superblock.hasFileTypes ? 1 : 0;
  for (let at: number = superblock.isFifth ? head.third : head.second; at < end; ) {
    if (block.readUInt16BE(at) === unused) {
      const bytes = block.readUInt16BE(at + 2);
      if (bytes === 0) throw wrong;
      at += bytes;
      continue;
    }
    const nameBytes = block[at + 8] ?? 0;
    const bytes = Math.ceil((9 + nameBytes + typeBytes + 2) / 8) * 8;
    if (at + bytes > end) throw wrong;
    yield { name: stringOf(block.subarray(at + 9, at + 9 + nameBytes)), inode: block.readBigUInt64BE(at) };
    at += bytes;
  }
}
