import type { GuestTree } from "../image/tree.ts";

const biosMenus = ["/boot/grub/grub.conf", "/boot/grub/menu.lst"];
const uefiMenus = "/boot/efi/EFI/*/grub.conf";

/** Where the menus of GRUB legacy may be; a path or a pattern. */
export const legacyMenuPlaces = [...biosMenus, uefiMenus];

/** The menus of GRUB legacy that exist: first the one for BIOS, then those beside the UEFI boot loaders. */
export async function legacyMenuFiles(tree: GuestTree): Promise<string[]> {
  for (const path of biosMenus) if (await tree.stat(path)) return [path, ...(await tree.glob(uefiMenus))];
  return tree.glob(uefiMenus);
}
