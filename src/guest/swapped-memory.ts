import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import type { SwapState } from "../image/change/swap.ts";
import type { Done } from "./operation.ts";
import type { ClassReport } from "./residue.ts";
import { swapRenewal } from "./seal/index.ts";

/** The contents of swap volumes as pending work. */
export function swapPending(states: readonly SwapState[]): Done[] {
  const done = states.flatMap(({ name, bytes }) =>
    bytes > 0 ? [`${name}: ${kibibytes(bytes)} of memory`] : [],
  );
  return done.length > 0 ? [{ name: swapRenewal.name, done }] : [];
}

/** The report's class for the contents of swap. */
export const memoryClass = "swapped memory";

/** Why swapped memory is unknown if the operation `swap` was not selected. */
export const notLookedInto = "the operation that checks swap was not selected";

/** Reports whether swapped memory is left; nothing for a guest without swap. */
export function memoryReport({
  states,
  isRenewed = false,
}: {
  /** The state of its swap volumes and swap files; `undefined` if they were not checked. */
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

/** Inspects a guest's swap. `shown` are its non-empty blocks, in the form for `findResidue`. */
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
