import { rm } from "node:fs/promises";
import type { Host } from "../../host/host.ts";
import type { MdArray } from "../disk/md-arrays.ts";
import { inImage } from "../disk/unclaimed.ts";
import { readImageFile } from "../file/image-file.ts";
import { clearFreeClusters } from "../file/qcow2-free.ts";
import type { Companion, LookedInto } from "../open.ts";
import { draftOf, type Piece } from "./draft.ts";
import type { ChangeOptions } from "./drafted-guest.ts";
import { type Finished, finish } from "./plan-ways.ts";
import { type ChangedWith, namesFor } from "./undo.ts";
import { copiedChange, workingCopy, writeToDisk } from "./working-copy.ts";

interface CompanionChange extends Finished, ChangedWith {
  close(): Promise<void>;
}

/**
 * Plans the changes of the other images of the machine: their members of mirrors become equal to the changed
 * ones, and the space beside them is handled as in the first image.
 */
export async function planCompanions(
  host: Host,
  { facts: { arrays }, companions }: LookedInto,
  pieces: readonly Piece[],
  options: ChangeOptions,
): Promise<readonly CompanionChange[]> {
  const found: CompanionChange[] = [];
  try {
    for (const one of companions) found.push(await planCompanion(host, one, { arrays, pieces }, options));
  } catch (error) {
    for (const { file } of companions) await rm(namesFor(file).work, { force: true }).catch(() => {});
    throw error;
  }
  return found;
}

/** The change of the first image, with the changes of the others. */
export function withOthers<Change extends Finished & { close(): Promise<void> }>(
  change: Change,
  others: readonly CompanionChange[],
): Change & { readonly alongside?: readonly ChangedWith[] } {
  if (others.length === 0) return change;
  const all = [change, ...others];
  const sum = all.reduce((bytes, { scrubbed = 0 }) => bytes + scrubbed, 0);
  return {
    ...change,
    ...(change.scrubbed !== undefined && { scrubbed: sum }),
    ...(change.unclaimed && { unclaimed: all.flatMap(({ unclaimed = [] }) => unclaimed) }),
    ...(change.kept && { kept: all.flatMap(({ kept = [] }) => kept) }),
    ...(change.emptied && { emptied: all.flatMap(({ emptied = [] }) => emptied) }),
    ...(change.swap && { swap: all.flatMap(({ swap = [] }) => swap) }),
    alongside: others.map(({ image, pieces, bytes }) => ({ image, pieces, bytes })),
    close: async () => {
      for (const one of all) await one.close();
    },
  };
}

async function planCompanion(
  host: Host,
  { file, facts }: Companion,
  change: { readonly arrays: readonly MdArray[]; readonly pieces: readonly Piece[] },
  { scrub, renewSwap, watch }: ChangeOptions,
): Promise<CompanionChange> {
  await using before = await readImageFile(file);
  const after = draftOf(before);
  for (const { offset, data } of mirroredIn(file, change)) await after.write(offset, await data());
  const options = {
    ...(scrub && { scrub }),
    ...(renewSwap && { renewSwap }),
    ...(watch && { watch }),
  };
  const done = await finish(host, { facts, mounts: [], swapFiles: [] }, before, after, options);
  const written = await after.pieces(watch?.signal);
  const named = <Part extends { readonly name: string }>(part: Part): Part => ({
    ...part,
    name: inImage(part.name, file),
  });
  return {
    image: file,
    ...(facts.format === "raw"
      ? { pieces: written, bytes: before.bytes, close: async () => {} }
      : await changeOfCopy(host, file, written, options)),
    ...(done.scrubbed !== undefined && { scrubbed: done.scrubbed }),
    ...(done.unclaimed && { unclaimed: done.unclaimed.map(named) }),
    ...(done.kept && { kept: done.kept.map(named) }),
    ...(done.emptied && { emptied: done.emptied.map((name) => inImage(name, file)) }),
    ...(done.swap && { swap: done.swap.map(named) }),
  };
}

// Where bytes of the disk are in the file is known only after they are written.
async function changeOfCopy(
  host: Host,
  file: string,
  written: readonly Piece[],
  { scrub, watch: { signal } = {} }: Pick<ChangeOptions, "scrub" | "watch">,
): Promise<Pick<CompanionChange, "pieces" | "bytes" | "close">> {
  const copy = await workingCopy(host, file, signal);
  await writeToDisk(host, copy, written, signal);
  if (scrub) await clearFreeClusters(copy, signal);
  return { ...(await copiedChange(host, file, signal)), close: () => rm(copy, { force: true }) };
}

interface Mirrored {
  readonly offset: number;
  data(): Promise<Uint8Array>;
}

// The parts of the change in mirrors with members in `file`, at their offsets there.
function mirroredIn(
  file: string,
  { arrays, pieces }: { readonly arrays: readonly MdArray[]; readonly pieces: readonly Piece[] },
): Mirrored[] {
  return arrays.flatMap(({ offset, bytes, elsewhere, isSwap }) =>
    elsewhere
      .filter(({ image }) => image === file && !isSwap)
      .flatMap((leg) =>
        pieces.flatMap((piece) => {
          const from = Math.max(offset, piece.offset);
          const to = Math.min(offset + bytes, piece.offset + piece.bytes);
          if (from >= to) return [];
          const data = async () => (await piece.after()).subarray(from - piece.offset, to - piece.offset);
          return [{ offset: leg.offset + from - offset, data }];
        }),
      ),
  );
}
