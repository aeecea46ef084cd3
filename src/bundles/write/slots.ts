import type { Manifest } from "../../model/manifest.ts";

/** The slot of each disk: its own, or the first free one from xvda on. */
export function slotsOf({ disks, machine }: Pick<Manifest, "disks" | "machine">): string[] {
  const taken = new Set([...disks.flatMap(({ slot }) => slot ?? []), ...(machine.drives ?? [])]);
  let next = 0;
  return disks.map(({ slot }) => {
    if (slot !== undefined) return slot;
    while (taken.has(diskName(next))) next++;
    return diskName(next++);
  });
}

/** `xvda` for the first disk, `xvdb` for the next, `xvdaa` after `xvdz`; `vda` with another prefix. */
export function diskName(index: number, prefix = "xvd"): string {
  const letters = (number: number): string =>
    `${number >= 26 ? letters(Math.floor(number / 26) - 1) : ""}${String.fromCharCode(97 + (number % 26))}`;
  return `${prefix}${letters(index)}`;
}

/** The position of a slot among a machine's disks: 0 for xvda and hda, 3 for xvdd; very large for other names. */
export function slotIndex(slot: string): number {
  const [, letters] = /^(?:xvd|vd|sd|hd)([a-z]{1,3})$/.exec(slot) ?? [];
  if (letters === undefined) return Number.MAX_SAFE_INTEGER;
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 96, 0) - 1;
}
