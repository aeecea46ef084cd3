import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";

export interface TextChange {
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
  return {
    name,
    summary,
    needs: "files",
    async pending(tree) {
      const found: string[] = [];
      for (const { path, change } of changes) {
        const text = await tree.text(path);
        if (text !== undefined && change(text) !== text) found.push(path);
      }
      for (const { path, text } of await files(tree)) if ((await tree.text(path)) !== text) found.push(path);
      return [...new Set(found)];
    },
    async apply(tree) {
      for (const { path, change } of changes)
        if ((await tree.text(path)) !== undefined) await tree.edit(path, change);
      for (const { path, text } of await files(tree))
        if ((await tree.text(path)) !== text) await tree.write(path, text);
    },
  };
}

/** Changes the kernel line in the configuration of every boot loader, and in the files that it is generated from. */
export function kernelArguments(change: (line: string) => string): TextChange[] {
  const inMenu = (text: string) =>
    text.replaceAll(/^([ \t]*(?:kernel|linux|linux16|linuxefi)[ \t]+\/.*)$/gm, change);
  const inDefaults = (text: string) =>
    text.replaceAll(
      /^(GRUB_CMDLINE_LINUX=")(.*)(")$/gm,
      (_all, start, line, end) => `${start}${change(line).trim()}${end}`,
    );
  const inEnvironment = (text: string) =>
    text.replace(/^(kernelopts=)(.*)$/m, (_all, start, line) => start + change(line));
  return [
    ...["/boot/grub/grub.conf", "/boot/grub2/grub.cfg", "/boot/grub/grub.cfg"].map((path) => ({
      path,
      change: inMenu,
    })),
    { path: "/etc/default/grub", change: inDefaults },
    { path: "/boot/grub2/grubenv", change: (text) => ofSameLength(text, inEnvironment(text)) },
  ];
}

// GRUB's environment is a block of 1024 bytes, padded with "#".
function ofSameLength(before: string, after: string): string {
  if (before === after) return before;
  return `${after.replace(/#+$/, "")}${"#".repeat(1024)}`.slice(0, 1024);
}
