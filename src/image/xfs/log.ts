import type { Reader } from "../../io/reader.ts";
import type { XfsSuperblock } from "./superblock.ts";

const sector = 512;
const recordMagic = 0xfeedbabe;
/** Offsets in struct xlog_rec_header, and of the flags in the xlog_op_header after it. */
const at = { magic: 0, cycle: 4, bytes: 12, operations: 40, headBytes: 320, operationFlags: 9 } as const;
/** One header describes so many bytes. */
const headerBytes = 32768;
const unmountFlag = 0x20;
/** A record is at most 256 KiB, and its headers are eight sectors. */
const longestRecord = 256 * 2 + 8;

/**
 * Whether an XFS log has something to replay: it does unless the record before its head is an unmount record
 * (xfs_log_format.h and xlog_find_tail of Linux). `undefined` for a log on another device, or an invalid one.
 */
export async function hasXfsLog(volume: Reader, superblock: XfsSuperblock): Promise<boolean | undefined> {
  const log = placeOf(superblock, volume.bytes);
  if (!log) return undefined;
  const sectorAt = async (number: number) =>
    Buffer.from(await volume.read(log.offset + (number % log.sectors) * sector, sector));
  const cycleAt = async (number: number) => {
    const data = await sectorAt(number);
    return data.readUInt32BE(data.readUInt32BE(at.magic) === recordMagic ? at.cycle : 0);
  };

  const head = await headOf(log.sectors, cycleAt);
  if (head === undefined) return false;
  for (let back = 1; back <= Math.min(longestRecord, log.sectors); back++) {
    const place = (head - back + log.sectors) % log.sectors;
    const record = await sectorAt(place);
    if (record.readUInt32BE(at.magic) !== recordMagic) continue;
    const headers = Math.max(1, Math.ceil(record.readUInt32BE(at.headBytes) / headerBytes));
    const length = Math.ceil(record.readUInt32BE(at.bytes) / sector);
    const isOneOperation = record.readUInt32BE(at.operations) === 1;
    const isLast = (place + headers + length) % log.sectors === head % log.sectors;
    const flags = (await sectorAt(place + headers)).readUInt8(at.operationFlags);
    return !(isOneOperation && isLast && (flags & unmountFlag) !== 0);
  }
  return undefined;
}

/** Sectors are written in a ring with a cycle number. The head is where the number decreases. */
async function headOf(
  sectors: number,
  cycleAt: (at: number) => Promise<number>,
): Promise<number | undefined> {
  const [first, last] = [await cycleAt(0), await cycleAt(sectors - 1)];
  if (first === 0) return undefined;
  if (first === last) return 0;
  let [before, after] = [0, sectors - 1];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if ((await cycleAt(middle)) === first) before = middle;
    else after = middle;
  }
  return after;
}

function placeOf(
  { log, blockBytes }: XfsSuperblock,
  volumeBytes: number,
): { readonly offset: number; readonly sectors: number } | undefined {
  if (!log) return undefined;
  const offset = log.block * blockBytes;
  const sectors = (log.blocks * blockBytes) / sector;
  const isSane = Number.isSafeInteger(offset + sectors * sector) && Number.isInteger(sectors) && sectors > 1;
  return isSane && offset + sectors * sector <= volumeBytes ? { offset, sectors } : undefined;
}
