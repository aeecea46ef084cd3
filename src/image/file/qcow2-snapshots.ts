import { TbuildError } from "../../errors.ts";
import { fileWord } from "../../io/escape.ts";
import type { Reader } from "../../io/reader.ts";

/**
 * A snapshot in a qcow2 file: an old state of the whole disk, and the memory of the machine if it was
 * running.
 */
export interface DiskSnapshot {
  readonly name: string;
  /** Bytes of memory and device state; 0 for a snapshot of the disk alone. */
  readonly memoryBytes: number;
}

/**
 * Reads the table of snapshots (docs/interop/qcow2.txt of qemu, "Snapshots"): `count` entries from byte `at`
 * of the file. A truncated or invalid table is an `integrity` fault.
 */
export async function qcow2Snapshots(
  file: string,
  reader: Reader,
  { at, count }: { readonly at: number; readonly count: number },
): Promise<DiskSnapshot[]> {
  const snapshots: DiskSnapshot[] = [];
  if (count > mostSnapshots) throw damaged(file);
  for (let place = at; snapshots.length < count; ) {
    if (!Number.isSafeInteger(place) || place < 0 || place + headBytes > reader.bytes) throw damaged(file);
    const head = Buffer.from(await reader.read(place, headBytes));
    const [idBytes, nameBytes] = [head.readUInt16BE(entryAt.idBytes), head.readUInt16BE(entryAt.nameBytes)];
    const extraBytes = head.readUInt32BE(entryAt.extraBytes);
    const [extra, id] = [place + headBytes, place + headBytes + extraBytes];
    const end = id + idBytes + nameBytes;
    if (extraBytes > mostExtra || end > reader.bytes) throw damaged(file);
    const words = Buffer.from(await reader.read(id, idBytes + nameBytes));
    const large = extraBytes >= 8 ? Buffer.from(await reader.read(extra, 8)).readBigUInt64BE(0) : 0n;
    const name = words.toString("utf8", idBytes) || words.toString("utf8", 0, idBytes);
    snapshots.push({ name, memoryBytes: Math.max(head.readUInt32BE(entryAt.memoryBytes), Number(large)) });
    place = Math.ceil(end / 8) * 8;
  }
  return snapshots;
}

/** Offsets in an entry. The extra data begins with the memory's size in 64 bits. */
const entryAt = { idBytes: 12, nameBytes: 14, memoryBytes: 32, extraBytes: 36 } as const;
const headBytes = 40;
// The limits of qemu (block/qcow2.h: QCOW_MAX_SNAPSHOTS, QCOW_MAX_SNAPSHOT_EXTRA_DATA).
const mostSnapshots = 65536;
const mostExtra = 1024;

function damaged(file: string): TbuildError {
  return new TbuildError("integrity", "its table of snapshots is damaged", {
    subject: file,
    hint: `See: qemu-img check ${fileWord(file)}`,
  });
}
