import type { PackageRecord } from "./manifest.ts";

/** `1:2.3-4.el6`. */
export function packageVersion({
  epoch,
  version,
  release,
}: Pick<PackageRecord, "epoch" | "version" | "release">): string {
  return `${epoch > 0 ? `${epoch}:` : ""}${version}-${release}`;
}

/** Orders packages as rpm does: epoch, then version, then release. */
export function comparePackages(a: PackageRecord, b: PackageRecord): number {
  return (
    a.epoch - b.epoch || compareRpmVersions(a.version, b.version) || compareRpmVersions(a.release, b.release)
  );
}

/** Orders like rpm's `rpmvercmp`: digits by number, letters alphabetically, `~` before the end, `^` after it. */
export function compareRpmVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function partsOf(version: string): string[] {
  return version.match(/\d+|[a-zA-Z]+|~|\^/g) ?? [];
}

function compareParts(a: string | undefined, b: string | undefined): number {
  const [left, right] = [rank(a), rank(b)];
  if (left !== right) return left - right;
  if (a === undefined || b === undefined || a === b) return 0;
  if (!/^\d/.test(a)) return a < b ? -1 : 1;
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  if (x.length !== y.length) return x.length - y.length;
  return x === y ? 0 : x < y ? -1 : 1;
}

// A number is newer than letters, letters are newer than nothing, and ~ is older than nothing.
function rank(part: string | undefined): number {
  if (part === undefined) return 1;
  if (part === "~") return 0;
  if (part === "^") return 2;
  return /^\d/.test(part) ? 4 : 3;
}
