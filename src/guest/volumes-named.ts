import type { GuestTree } from "../image/tree.ts";

/**
 * The volume ids in a guest's fstab, in lower case and without hyphens. Clones share them on purpose. This includes
 * swap and unmounted volumes.
 */
export async function volumesNamed(tree: GuestTree): Promise<string[]> {
  const lines = ((await tree.text("/etc/fstab")) ?? "").matchAll(
    /\b(?:PART)?UUID=["']?([\da-f-]{8,36})|\/by-(?:part)?uuid\/([\da-f-]{8,36})/gi,
  );
  return [...lines].map(([, id, linked]) => (id ?? linked ?? "").toLowerCase().replaceAll("-", ""));
}
