import { majorOf, type Recipe } from "./recipe.ts";

/** An MBR counts 2^32 sectors of 512 bytes. In MiB. */
export const mbrMib = 2 * 1024 * 1024;

/**
 * The size in MiB of the partition that the firmware starts from. EL7's Anaconda makes an EFI system
 * partition of at most 200, EL8's of at least 200; the loaders take about 10.
 */
export const startMib = { biosboot: 1, efi: 200 } as const;

/**
 * The partition that the firmware starts from, in addition to the layout, if it needs one: UEFI always, a
 * BIOS on a GPT. Anaconda of OL7 and later makes a GPT from 2 TiB on (blivet).
 */
export function startPartition(
  recipe: Pick<Recipe, "release" | "machine">,
): keyof typeof startMib | undefined {
  if (recipe.machine.firmware === "uefi") return "efi";
  return majorOf(recipe.release) >= 7 && recipe.machine.disk >= mbrMib ? "biosboot" : undefined;
}
