import type { GuestTree } from "../image/tree.ts";

/**
 * The ids by which a guest's fstab names volumes, in small letters and without hyphens. Clones have them in common on
 * purpose. Swap has one too, and a volume that is not mounted.
 */
export async function volumesNamed(tree: GuestTree): Promise<string[]> {
  const lines = ((await tree.text("/etc/fstab")) ?? "").matchAll(
    /\b(?:PART)?UUID=["']?([\da-f-]{8,36})|\/by-(?:part)?uuid\/([\da-f-]{8,36})/gi,
  );
  return [...lines].map(([, id, linked]) => (id ?? linked ?? "").toLowerCase().replaceAll("-", ""));
}
