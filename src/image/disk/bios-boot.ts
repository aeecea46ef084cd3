import { createHash } from "node:crypto";
import type { Reader } from "../../io/reader.ts";
import { type GptCopy, gptCopy, gptPartitions, withPartition, withSums } from "./gpt.ts";

/** The type of the partition in which GRUB has its core on a GPT. */
export const biosBoot = "21686148-6449-6e6f-744e-656564454649";

const sector = 512;
// 1 MiB, as installers make it.
const mostSectors = 2048;

/** A new partition in a GPT: its place, and the sectors of the table that change with it. */
export interface NewPartition {
  readonly number: number;
  readonly start: number;
  readonly sectors: number;
  readonly writes: readonly { readonly offset: number; readonly data: Buffer }[];
}

/**
 * Plans a BIOS boot partition of at least `sectors` in a gap of a GPT. `undefined` if there is no such gap or
 * no free entry, or if the two copies of the table are damaged or differ.
 */
export async function newBiosBoot(disk: Reader, sectors: number): Promise<NewPartition | undefined> {
  const first = await wholeCopy(disk, 1);
  if (!first) return undefined;
  const second = await wholeCopy(disk, first.copy.other);
  if (!second?.copy.entries.equals(first.copy.entries)) return undefined;
  const { entries, entryBytes, usable, diskId } = first.copy;
  const used = gptPartitions(first.copy);
  const taken = new Set(used.map(({ index }) => index));
  const places = Math.floor(entries.length / entryBytes);
  const index = Array.from({ length: places }, (_, place) => place).find((place) => !taken.has(place));
  const gap = firstGap(used, usable, sectors);
  if (index === undefined || !gap) return undefined;
  // The same disk gets the same id, so a plan and its execution agree.
  const id = createHash("sha256").update(diskId).update("bios-boot").digest();
  const changed = withPartition(first.copy, {
    index,
    id,
    type: biosBoot,
    name: "BIOS boot partition",
    first: gap.start,
    last: gap.start + gap.sectors - 1,
  });
  const writes = [first, second].flatMap(({ at, copy }) => [
    { offset: copy.entriesAt * sector, data: changed },
    { offset: at * sector, data: withSums(copy.header, changed) },
  ]);
  return { number: index + 1, ...gap, writes };
}

function firstGap(
  used: readonly { readonly first: number; readonly last: number }[],
  usable: GptCopy["usable"],
  sectors: number,
): { readonly start: number; readonly sectors: number } | undefined {
  let start = usable.first;
  const end = usable.last + 1;
  const inOrder = used.toSorted((one, other) => one.first - other.first);
  for (const { first, last } of [...inOrder, { first: end, last: end }]) {
    if (first - start >= sectors) return { start, sectors: Math.min(first - start, mostSectors) };
    start = Math.max(start, last + 1);
  }
  return undefined;
}

async function wholeCopy(
  disk: Reader,
  at: number,
): Promise<{ readonly at: number; readonly copy: GptCopy } | undefined> {
  if (at < 1) return undefined;
  const copy = await gptCopy(disk, at * sector, sector);
  return copy?.isWhole ? { at, copy } : undefined;
}
