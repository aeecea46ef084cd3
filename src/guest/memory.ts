import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import type { SwapState } from "../image/change/swap.ts";
import type { Done } from "./operation.ts";
import type { ClassReport } from "./residue.ts";
import { swapRenewal } from "./seal/index.ts";

/** What swap volumes hold, as something that is to be done. */
export function swapPending(states: readonly SwapState[]): Done[] {
  const done = states.flatMap(({ name, bytes }) =>
    bytes > 0 ? [`${name}: ${kibibytes(bytes)} of memory`] : [],
  );
  return done.length > 0 ? [{ name: swapRenewal.name, done }] : [];
}

/** What swap holds, as a class of the report. */
export const memoryClass = "swapped memory";

/** Why swapped memory is unknown where the operation that looks into swap was not chosen. */
export const notLookedInto = "the operation that looks into swap was not chosen";

/** Says of swapped memory whether any is left; nothing of a guest that has no swap. */
export function memoryReport({
  states,
  isRenewed = false,
}: {
  /** Of its swap volumes and swap files; `undefined` if they were not checked. */
  readonly states: readonly SwapState[] | undefined;
  readonly isRenewed?: boolean;
}): ClassReport[] {
  const name = memoryClass;
  const left = isRenewed ? [] : swapPending(states ?? []).flatMap(({ done }) => done);
  if (left.length > 0) return [{ name, state: "left", why: left }];
  const unknown = [
    ...(states ?? []).flatMap(({ name, refused }) => (refused === undefined ? [] : [`${name}: ${refused}`])),
    ...(states === undefined ? [notLookedInto] : []),
  ];
  if (unknown.length > 0) return [{ name, state: "unknown", why: unknown }];
  return states?.length === 0 ? [] : [{ name, state: "reset", why: [] }];
}

/** Looks into the swap of a guest; `shown` are its blocks in which something stands, as `findResidue` takes them. */
export async function lookIntoSwap(
  guest: DraftedGuest,
  onEach: (data: Uint8Array) => void = () => {},
): Promise<{ readonly pending: readonly Done[]; readonly classes: readonly ClassReport[] }> {
  const states = await guest.swap?.(onEach);
  return {
    pending: swapPending(states ?? []),
    classes: memoryReport({ states }),
  };
}

function kibibytes(bytes: number): string {
  return bytes < 10 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.ceil(bytes / 1048576)} MiB`;
}
