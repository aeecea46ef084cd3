import { TbuildError } from "../errors.ts";
import { type Arrival, bringIn } from "../guest/files/bring-in.ts";
import { readRelease } from "../guest/release.ts";
import { localHost } from "../host/local.ts";
import { planChange } from "../image/change/planned-change.ts";
import type { GuestTree } from "../image/tree.ts";
import type { Changing, Worked } from "./change-images.ts";

/** A change that brings files into a guest of any kind. */
export function bringing(
  verb: string,
  arrivals: (tree: GuestTree) => AsyncIterable<Arrival>,
): Changing<Worked> {
  return {
    verb,
    needsRootOnly: true,
    remarks: () => [],
    plan: (file, options) =>
      planChange(
        localHost(),
        file,
        async ({ tree }) => {
          const done = await bringIn(tree, arrivals(tree));
          await tree.commit();
          const release = await readRelease(tree).catch((error) => {
            if (error instanceof TbuildError && error.code === "other-guest") return undefined;
            throw error;
          });
          return {
            pending: done.length === 0 ? [] : [{ name: verb, done }],
            ...(release && { release }),
            ...(tree.overridden.length > 0 && { overridden: tree.overridden }),
          };
        },
        options,
      ),
  };
}
