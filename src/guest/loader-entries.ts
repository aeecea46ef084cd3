import { posix } from "node:path";
import type { GuestTree } from "../image/tree.ts";
import { compareRpmVersions } from "../model/rpm-version.ts";

/**
 * The loader entries of GRUB 2 in the order of its menu. blscfg treats the name of a file like that of a
 * package, splits it into name, version and release, and puts the newest first (blscfg.c of the grub2 of
 * Enterprise Linux 8 and later). grubby sorts the same names by rpm itself. Neither uses the version that an
 * entry states.
 */
export async function loaderEntryFiles(tree: GuestTree): Promise<string[]> {
  return (await tree.glob("/boot/loader/entries/*.conf")).sort((one, other) =>
    compareNames(posix.basename(other, ".conf"), posix.basename(one, ".conf")),
  );
}

function compareNames(one: string, other: string): number {
  const [left, right] = [partsOf(one), partsOf(other)];
  for (const [n, part] of left.entries()) {
    const order = compareRpmVersions(grubVersion(part), grubVersion(right[n] ?? ""));
    if (order !== 0) return order;
  }
  return 0;
}

/** Name, version and release; what has fewer parts has no release, or no version either. */
function partsOf(file: string): string[] {
  const [, name = file, version = "", release = ""] = /^(.*?)(?:-([^-]*))?(?:-([^-]*))?$/.exec(file) ?? [];
  return [name, version, release];
}

// GRUB uses + as rpm uses ^.
function grubVersion(text: string): string {
  return text.replaceAll("^", "_").replaceAll("+", "^");
}
