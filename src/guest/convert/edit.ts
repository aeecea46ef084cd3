import type { GuestTree } from "../../image/tree.ts";
import { legacyMenuPlaces } from "../legacy-menus.ts";
import type { Operation } from "../operation.ts";

export interface TextChange {
  /** A path or a pattern, as `GuestTree.glob` takes it. */
  readonly path: string;
  readonly change: (text: string) => string;
}

interface EditsAll {
  readonly name: string;
  readonly summary: string;
  /** Files that do not exist are skipped. */
  readonly changes: readonly TextChange[];
  /** Files that must have exactly these contents. */
  readonly files?: (tree: GuestTree) => Promise<readonly { readonly path: string; readonly text: string }[]>;
}

/** One operation that consists of several text changes. */
export function editsAll({ name, summary, changes, files = async () => [] }: EditsAll): Operation {
  const each = async function* (tree: GuestTree) {
    for (const { path: pattern, change } of changes)
      for (const path of /[*?]/.test(pattern) ? await tree.glob(pattern) : [pattern]) {
        const text = await tree.text(path);
        if (text !== undefined && change(text) !== text) yield { path, text: change(text) };
      }
  };
  return {
    name,
    summary,
    needs: "files",
    async pending(tree) {
      const found: string[] = [];
      for await (const { path } of each(tree)) found.push(path);
      for (const { path, text } of await files(tree)) if ((await tree.text(path)) !== text) found.push(path);
      return [...new Set(found)];
    },
    async apply(tree) {
      for await (const { path, text } of each(tree)) await tree.write(path, text);
      for (const { path, text } of await files(tree))
        if ((await tree.text(path)) !== text) await tree.write(path, text);
    },
  };
}

/** The menus of every boot loader that tbuild knows. */
export const bootMenus = [
  ...legacyMenuPlaces,
  "/boot/grub2/grub.cfg",
  "/boot/grub/grub.cfg",
  "/boot/efi/EFI/*/grub.cfg",
];

/** Changes the kernel line in the configuration of every boot loader, and in the files that it is generated from. */
export function kernelArguments(change: (line: string) => string): TextChange[] {
  const inMenu = (text: string) =>
    text
      .replaceAll(/^([ \t]*(?:kernel|linux|linux16|linuxefi)[ \t]+(?:\([^)\s]*\))?\/.*)$/gm, change)
      .replaceAll(
        /^([ \t]*set[ \t]+kernelopts=")(.*)(")/gm,
        (_all, start, line, end) => start + change(line) + end,
      );
  const inDefaults = (text: string) =>
    text.replaceAll(
      /^(GRUB_CMDLINE_LINUX=)(["'])(.*)\2$/gm,
      (_all, start, quote, line) => `${start}${quote}${change(line).trim()}${quote}`,
    );
  const inEnvironment = (text: string) =>
    text.replace(/^(kernelopts=)(.*)$/m, (_all, start, line) => start + change(line));
  // The value of `$kernelopts` is changed where it is set.
  const inEntry = (text: string) =>
    text.replaceAll(/^(options[ \t]+)(.*)$/gm, (all, start, line) =>
      line.includes("$kernelopts") ? all : start + change(line),
    );
  return [
    ...bootMenus.map((path) => ({ path, change: inMenu })),
    ...["/boot/loader/entries/*.conf", "/boot/efi/loader/entries/*.conf"].map((path) => ({
      path,
      change: inEntry,
    })),
    { path: "/etc/kernel/cmdline", change: (text) => text.replace(/^.+$/m, (line) => change(line)) },
    { path: "/etc/default/grub", change: inDefaults },
    { path: "/boot/grub2/grubenv", change: (text) => ofSameLength(text, inEnvironment(text)) },
  ];
}

// GRUB's environment is a block of 1024 bytes, padded with "#". If the result does not fit, the block stays unchanged.
function ofSameLength(before: string, after: string): string {
  const values = after.replace(/#+$/, "");
  if (before === after || values.length > 1024) return before;
  return values.padEnd(1024, "#");
}
