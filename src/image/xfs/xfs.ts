import type { Reader } from "../../io/reader.ts";
import { damagedXfs } from "./faults.ts";
import { XfsSuperblock } from "./superblock.ts";

/** An XFS with a valid superblock. All numbers on it are big-endian. */
export interface Xfs {
  readonly volume: Reader;
  /** For errors. */
  readonly name: string;
  readonly superblock: XfsSuperblock;
}

export async function openXfs(volume: Reader, name: string): Promise<Xfs> {
  const superblock = new XfsSuperblock(Buffer.from(await volume.read(0, 512)));
  const { blockBytes, groupBlocks, groups, sectorBytes, inodeBytes, folderBlockBytes } = superblock;
  if (!isPower(blockBytes, 512, 65536)) throw damagedXfs(name, `blocks of ${blockBytes} bytes`);
  const isSane =
    isPower(sectorBytes, 512, 32768) &&
    isPower(inodeBytes, 256, 2048) &&
    isPower(folderBlockBytes, blockBytes, 65536) &&
    groups > 0 &&
    groupBlocks * blockBytes >= 1 << 16;
  if (!isSane || (groups - 1) * groupBlocks * blockBytes >= volume.bytes)
    throw damagedXfs(name, "its superblock");
  return { volume, name, superblock };
}

function isPower(bytes: number, least: number, most: number): boolean {
  return bytes >= least && bytes <= most && (bytes & (bytes - 1)) === 0;
}
