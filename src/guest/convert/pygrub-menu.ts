import { posix } from "node:path";
import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { legacyMenuFiles } from "../legacy-menus.ts";
import { loaderEntryFiles } from "../loader-entries.ts";
import type { Operation } from "../operation.ts";
import { type Release, releases } from "../release.ts";
import { editsAll } from "./edit.ts";

/**
 * A menu that pygrub can read: it knows neither the loader entries of OL8 nor the scripts of GRUB 2. For other modes, the menu
 * that was written for pygrub is removed, since kernel updates do not maintain it.
 */
export function pygrubMenu(mode: GuestMode, release: Release): Operation {
  if (releases[release.major].grub === "legacy") return legacyMenu(mode);
  return mode === "pvm" ? staticMenu() : noStaticMenu;
}

const described = {
  name: "pygrub-menu",
  summary: "Keep a boot menu for pygrub beside that of GRUB",
} as const;

// GRUB 2's parser of old menus refuses tabs at the start of a line, and pygrub does not need them.
function legacyMenu(mode: GuestMode): Operation {
  const [config, menu] = ["/boot/grub/grub.conf", "/boot/grub/menu.lst"];
  const base = editsAll({
    ...described,
    changes: [{ path: config, change: (text) => text.replaceAll(/^\t+/gm, "    ") }],
    // A guest that was installed for UEFI has its menu only beside the EFI boot loader.
    async files(tree) {
      const [first = config] = await legacyMenuFiles(tree);
      const text = first.startsWith("/boot/efi/") ? await tree.text(first) : undefined;
      return text === undefined || mode === "kvm" ? [] : [{ path: config, text: forBios(text) }];
    },
  });
  const isUefi = async (tree: GuestTree) =>
    !(await tree.stat(config)) && (await legacyMenuFiles(tree)).length > 0 && mode === "kvm";
  return {
    ...base,
    async pending(tree) {
      if (await isUefi(tree)) return [];
      const found = await base.pending(tree);
      if (!(await tree.stat(config)) && found.length === 0) return [`${config}: does not exist`];
      return [...found, ...((await tree.stat(menu)) ? [] : [menu])];
    },
    async apply(tree) {
      if (await isUefi(tree)) return;
      await base.apply(tree);
      if (!(await tree.stat(config)))
        throw new TbuildError("guest", "is missing: the guest has no boot menu", {
          subject: config,
          hint: "Restore the file in the guest or in the image (`tbuild cp`), and convert again.",
        });
      if (!(await tree.stat(menu))) await tree.link(menu, "./grub.conf");
    },
  };
}

// `device` names the disk by its path in UEFI.
const forBios = (text: string) =>
  text.replaceAll(/^[ \t]*device[ \t].*\n/gm, "").replaceAll(/^\t+/gm, "    ");

// pygrub looks for /grub/grub.cfg before /grub2/grub.cfg, so this file is for pygrub and the other one for GRUB.
const staticFile = "/boot/grub/grub.cfg";
const heading = "# For pygrub; made by tbuild from the menu of grub2.";

function staticMenu(): Operation {
  return editsAll({
    ...described,
    changes: [],
    async files(tree) {
      const entries = await bootEntries(tree);
      if (entries.length === 0) return [];
      const index = Math.max(0, entries.indexOf((await defaultEntry(tree, entries)) as Entry));
      return [{ path: staticFile, text: menuText(heading, entries, index) }];
    },
  });
}

const noStaticMenu: Operation = {
  ...described,
  needs: "files",
  pending: async (tree) => ((await tree.text(staticFile))?.startsWith(heading) ? [staticFile] : []),
  apply: (tree) => tree.remove(staticFile),
};

/** The entry that GRUB boots. If the selected one does not exist, it is the first. */
export async function defaultEntry(tree: GuestTree, entries: readonly Entry[]): Promise<Entry | undefined> {
  const wanted = await defaultName(tree);
  return (
    entries.find(({ id, title }) => wanted === title || wanted === id) ??
    entries.find(({ number }) => number === (Number(wanted) || 0)) ??
    entries[0]
  );
}

// The entry that the menu sets, or else the saved one. `next_entry`, which is for one boot only, does not count.
async function defaultName(tree: GuestTree): Promise<string | undefined> {
  const menu = (await tree.text(grub2Menu)) ?? "";
  const set = [...menu.matchAll(/^[ \t]*set[ \t]+default=(["']?)(.*?)\1[ \t]*$/gm)]
    .map(([, , name = ""]) => name)
    .findLast((name) => !name.includes("next_entry"));
  if (set !== undefined && !set.includes("$")) return set;
  return /^saved_entry=(.*)$/m.exec((await tree.text("/boot/grub2/grubenv")) ?? "")?.[1]?.trim();
}

export interface Entry {
  /** The file that contains it. */
  readonly file: string;
  /** Its possible names in `saved_entry`. */
  readonly id: string;
  readonly title: string;
  /** Its index in the menu, from 0. Rescue kernels count as well. */
  readonly number: number;
  /** Its path, and the kernel's arguments. */
  readonly kernel: string;
  readonly initramfs: string | undefined;
}

/** The entries of GRUB 2 in the order of its menu, without rescue kernels: its loader entries, or those of the menu itself. */
export async function bootEntries(tree: GuestTree): Promise<Entry[]> {
  const entries = await loaderEntries(tree);
  if (entries.length > 0) return entries;
  // A guest that boots by UEFI may have its menu only beside the EFI boot loader.
  for (const path of [grub2Menu, ...(await tree.glob("/boot/efi/EFI/*/grub.cfg"))]) {
    const found = menuEntries(path, (await tree.text(path)) ?? "");
    if (found.length > 0) return found;
  }
  return [];
}

async function loaderEntries(tree: GuestTree): Promise<Entry[]> {
  const variable = await grubVariables(tree);
  const entries: Entry[] = [];
  let number = 0;
  for (const path of await loaderEntryFiles(tree)) {
    const text = (await tree.text(path)) ?? "";
    const value = (key: string) => new RegExp(`^${key}[ \\t]+(.*)$`, "m").exec(text)?.[1]?.trim();
    const linux = value("linux");
    if (linux === undefined) continue;
    const kernel = [linux, ...(value("options") ?? "").split(/\s+/)]
      .map((word) => word.replace(/^\$\{?(\w+)\}?$/, (_all, name) => variable(name)))
      .filter((word) => word !== "")
      .join(" ")
      .trim();
    const [id, title] = [posix.basename(path, ".conf"), value("title") ?? linux];
    const initramfs = value("initrd")?.replaceAll(/\s*\$\w+/g, "");
    if (!path.includes("rescue") && kernel.startsWith("/"))
      entries.push({ file: path, id, title, number, kernel, initramfs });
    number++;
  }
  return entries;
}

// A variable of GRUB's environment, or else its value in the menu. To GRUB, an unset variable is empty.
async function grubVariables(tree: GuestTree): Promise<(name: string) => string> {
  const environment = (await tree.text("/boot/grub2/grubenv")) ?? "";
  const menu = (await tree.text(grub2Menu)) ?? "";
  const first = (text: string, pattern: string) => new RegExp(pattern, "m").exec(text)?.[1]?.trim();
  return (name) =>
    first(environment, `^${name}=(.*)$`) ?? first(menu, `^[ \\t]*set[ \\t]+${name}="([^"$]*)"`) ?? "";
}

const grub2Menu = "/boot/grub2/grub.cfg";

function menuEntries(file: string, menu: string): Entry[] {
  const entries: Entry[] = [];
  const found = menu.matchAll(/^menuentry\s+['"]([^'"]+)['"]([^{]*)\{([\s\S]*?)^\}/gm);
  for (const [number, [, title = "", words = "", body = ""]] of [...found].entries()) {
    const id = /\$menuentry_id_option\s+['"]([^'"]+)['"]/.exec(words)?.[1] ?? title;
    const kernel = /^\s*linux(?:16|efi)?\s+(\/.*)$/m.exec(body)?.[1];
    const initramfs = /^\s*initrd(?:16|efi)?\s+(\/\S+)/m.exec(body)?.[1];
    if (kernel !== undefined && !title.includes("rescue"))
      entries.push({ file, id, title, number, kernel, initramfs });
  }
  return entries;
}

/** A plain menu of GRUB 2, which pygrub can read as well. Without a timeout, GRUB waits for a key. */
export function menuText(heading: string, entries: readonly Entry[], index: number): string {
  const bodies = entries.map(({ title, kernel, initramfs }) => {
    const lines = [`menuentry "${title.replaceAll('"', "'")}" {`, `  linux ${kernel}`];
    return [...lines, ...(initramfs === undefined ? [] : [`  initrd ${initramfs}`]), "}"].join("\n");
  });
  return `${heading}\nset default=${index}\nset timeout=1\n${bodies.join("\n")}\n`;
}
