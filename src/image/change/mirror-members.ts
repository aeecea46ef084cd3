import type { MdArray } from "../disk/md-arrays.ts";
import { differences } from "../disk/mirrors.ts";
import type { DataRange } from "../file/holes.ts";
import type { Draft } from "./draft.ts";

/**
 * Makes the other members of each mirror equal to the first, which was changed. They were equal before,
 * except for swap, which is not handled here.
 */
export async function makeMembersEqual(
  after: Draft,
  arrays: readonly MdArray[],
  data: readonly DataRange[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { offset, bytes, legs, isSwap } of arrays) {
    for (const leg of isSwap ? [] : legs) {
      if (leg.offset === offset) continue;
      const other = { offset: leg.offset, bytes };
      for await (const { at, one } of differences(after, { offset, bytes }, other, data, signal))
        await after.write(leg.offset + at, one);
    }
  }
}
