import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import type { SwapState } from "../image/change/swap.ts";
import type { GuestTree } from "../image/tree.ts";
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

/** Says of swapped memory whether any is left; nothing of a guest that has no swap. */
export function memoryReport({
  states,
  files,
  isRenewed = false,
}: {
  /** `undefined` if it was not checked. */
  readonly states: readonly SwapState[] | undefined;
  /** Swap files of the guest, by path. */
  readonly files: readonly string[];
  readonly isRenewed?: boolean;
}): ClassReport[] {
  const name = "swapped memory";
  const left = isRenewed ? [] : swapPending(states ?? []).flatMap(({ done }) => done);
  if (left.length > 0) return [{ name, state: "left", why: left }];
  const unknown = [
    ...(states ?? []).flatMap(({ name, refused }) => (refused === undefined ? [] : [`${name}: ${refused}`])),
    ...(states === undefined ? ["nobody looked into swap"] : []),
    ...files.map((path) => `${path}: is a swap file, and nobody looked into it`),
  ];
  if (unknown.length > 0) return [{ name, state: "unknown", why: unknown }];
  return states?.length === 0 ? [] : [{ name, state: "reset", why: [] }];
}

/** The files that a guest swaps to, by its fstab. */
export async function swapFilesOf(tree: GuestTree): Promise<string[]> {
  const found: string[] = [];
  for (const line of ((await tree.text("/etc/fstab")) ?? "").split(/\r?\n/)) {
    const [device = "", , type] = line
      .replace(/^\s*#.*/, "")
      .trim()
      .split(/\s+/);
    if (type !== "swap" || !device.startsWith("/") || device.startsWith("/dev/")) continue;
    if ((await tree.stat(device))?.kind === "file") found.push(device);
  }
  return found;
}

/** Looks into the swap of a guest; `shown` are its blocks in which something stands, as `findResidue` takes them. */
export async function lookIntoSwap(
  guest: DraftedGuest,
  onEach: (data: Uint8Array) => void = () => {},
): Promise<{ readonly pending: readonly Done[]; readonly classes: readonly ClassReport[] }> {
  const states = await guest.swap?.(onEach);
  return {
    pending: swapPending(states ?? []),
    classes: memoryReport({ states, files: await swapFilesOf(guest.tree) }),
  };
}

function kibibytes(bytes: number): string {
  return bytes < 10 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.ceil(bytes / 1048576)} MiB`;
}
