import type { GuestTree } from "../image/tree.ts";
import { grubChoice } from "./fitness/grub.ts";

/** The version of the kernel that boots: of the boot menu's default entry, or the only kernel in /boot. */
export async function bootKernel(tree: GuestTree): Promise<string | undefined> {
  const choice = await grubChoice(tree);
  if (!("refused" in choice)) {
    const named = /vmlinuz-([^/\s]+)$/.exec(choice.kernel)?.[1];
    if (named !== undefined) return named;
  }
  const kernels = (await tree.list("/boot")).flatMap(
    (name) => /^vmlinuz-((?!0-rescue).+)$/.exec(name)?.[1] ?? [],
  );
  return kernels.length === 1 ? kernels[0] : undefined;
}
