import type { GuestTree } from "../../image/tree.ts";
import { bootEntries, defaultEntry } from "../convert/pygrub-menu.ts";
import { legacyMenuFiles } from "../legacy-menus.ts";
import { legacyMenu, MenuFault } from "./menus.ts";
import { existsIn } from "./volume-files.ts";

/** The entry that GRUB boots by default, with paths as the guest sees them, or the reason why it is unknown. */
export type GrubChoice =
  | {
      readonly config: string;
      readonly title: string;
      readonly kernel: string;
      readonly initrd?: string;
      readonly args: string;
    }
  | { readonly refused: string };

/**
 * Reads the menu of GRUB 2, its loader entries, or the menu of GRUB legacy, from a guest with all its volumes mounted.
 */
export async function grubChoice(tree: GuestTree): Promise<GrubChoice> {
  const modern = await bootEntries(tree);
  if (modern.length > 0) {
    const entry = await defaultEntry(tree, modern);
    if (!entry) return { refused: "has no entry" };
    const [kernel = "", ...args] = entry.kernel.split(/\s+/);
    return {
      config: entry.file,
      title: entry.title,
      kernel: await inGuest(tree, kernel),
      ...(entry.initramfs !== undefined && {
        initrd: await inGuest(tree, entry.initramfs.split(/\s+/)[0] ?? ""),
      }),
      args: args.join(" "),
    };
  }
  for (const config of await legacyMenuFiles(tree)) {
    const text = await tree.text(config);
    if (text === undefined) continue;
    try {
      const { entries, chosen } = legacyMenu(text);
      const entry = entries[chosen];
      if (entry?.kernel === undefined) return { refused: `${config} has no entry with a kernel` };
      return {
        config,
        title: entry.title,
        kernel: await inGuest(tree, entry.kernel),
        ...(entry.initrd !== undefined && { initrd: await inGuest(tree, entry.initrd) }),
        args: entry.args ?? "",
      };
    } catch (error) {
      if (!(error instanceof MenuFault)) throw error;
      return { refused: `${config}: ${error.message}` };
    }
  }
  return { refused: "GRUB has no menu in /boot/grub2 or /boot/grub" };
}

/** A path of a menu starts at the volume that GRUB reads, which may be mounted on /boot. */
async function inGuest(tree: GuestTree, path: string): Promise<string> {
  const below = `/boot${path.startsWith("/") ? "" : "/"}${path}`;
  return (await existsIn(tree, below)) ? below : path;
}
