import type { Runner } from "../../host/host.ts";
import type { MdArray } from "../disk/md-arrays.ts";
import { inImage } from "../disk/unclaimed.ts";
import { readImageFile } from "../file/image-file.ts";
import type { Companion, LookedInto } from "../open.ts";
import { draftOf, type Piece } from "./draft.ts";
import type { ChangeOptions } from "./drafted-guest.ts";
import { type Finished, finish } from "./plan-ways.ts";
import type { ChangedWith } from "./undo.ts";

type CompanionChange = Finished & ChangedWith;

/**
 * Works out the changes of the other images of the machine: their members of mirrors become equal to the changed ones, and
 * what lies beside them is done as in the first image.
 */
export async function planCompanions(
  host: Runner,
  { facts: { arrays }, companions }: LookedInto,
  pieces: readonly Piece[],
  options: ChangeOptions,
): Promise<readonly CompanionChange[]> {
  const found: CompanionChange[] = [];
  for (const one of companions) found.push(await planCompanion(host, one, { arrays, pieces }, options));
  return found;
}

/** The change of the first image, with what was done in the others. */
export function withOthers<Change extends Finished>(
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
    alongside: others.map(({ image, pieces }) => ({ image, pieces })),
  };
}

async function planCompanion(
  host: Runner,
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
  const named = <Part extends { readonly name: string }>(part: Part): Part => ({
    ...part,
    name: inImage(part.name, file),
  });
  return {
    image: file,
    pieces: await after.pieces(watch?.signal),
    ...(done.scrubbed !== undefined && { scrubbed: done.scrubbed }),
    ...(done.unclaimed && { unclaimed: done.unclaimed.map(named) }),
    ...(done.kept && { kept: done.kept.map(named) }),
    ...(done.emptied && { emptied: done.emptied.map((name) => inImage(name, file)) }),
    ...(done.swap && { swap: done.swap.map(named) }),
  };
}

interface Mirrored {
  readonly offset: number;
  data(): Promise<Uint8Array>;
}

// The parts of the change that lie in mirrors with members in `file`, at their places there.
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
