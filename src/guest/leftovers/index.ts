import type { GuestTree } from "../../image/tree.ts";
import { packageFilesOr } from "../rpm/files.ts";
import { volumesNamed } from "../volumes-named.ts";
import { bootScriptIdentities } from "./boot-scripts.ts";
import { bootIdentities } from "./command-line.ts";
import { otherHostKeys } from "./host-keys.ts";
import { searchInitramfs } from "./initramfs.ts";
import { accountPasswords, knownLeftovers } from "./known.ts";
import { type Leftover, type Searched, searchGuest } from "./search.ts";
import { sourcedIdentities } from "./sourced.ts";
import { readTraits, showsTrait, type Trait } from "./traits.ts";

export { type Leftover, readTraits, showsTrait, type Trait };

/** Everything left in a guest, and what could not be searched. */
export interface Leftovers extends Searched {
  /** Limits of the search. */
  readonly limits: readonly string[];
}

export interface LeftoverOptions {
  /** Values that distinguish this guest. Read before a seal, because a seal removes them. */
  readonly traits: readonly Trait[];
  /** Paths with pending operations, whose contents are already reported. */
  readonly pending: readonly string[];
  /** Paths to keep. */
  readonly keep: readonly string[];
  /** Paths with intended content, although operations change them. */
  readonly meant?: readonly string[];
  /** The paths of swap files, which are searched as swap. */
  readonly swapFiles?: readonly string[];
  /** Why only the known places are searched; absent if all files are. */
  readonly only?: string;
  readonly signal?: AbortSignal;
}

/**
 * Checks the known places, and searches every file that belongs to no package, for traces of the build, its
 * people and its secrets. Read only.
 */
export async function findLeftovers(tree: GuestTree, options: LeftoverOptions): Promise<Leftovers> {
  const limits: string[] = [];
  const except = [...options.keep, ...(options.meant ?? []), ...options.pending];
  const isExcepted = coveredBy(except);
  // A pending operation on the account files changes only root's password, and one on boot entries only their names.
  const isMeant = coveredBy([...options.keep, ...(options.meant ?? [])]);
  const packaged = await packageFilesOr(tree, limits);
  const known = [
    ...(await knownLeftovers(tree)).filter(({ path }) => !isExcepted(path)),
    ...[
      ...(await otherHostKeys(tree)),
      ...(await sourcedIdentities(tree)),
      ...(await bootScriptIdentities(tree, packaged)),
    ].filter(({ path }) => !isExcepted(path)),
    ...[...(await bootIdentities(tree)), ...(await accountPasswords(tree))].filter(
      ({ path }) => !isMeant(path),
    ),
  ];
  if (options.only !== undefined)
    return {
      found: [...known].sort(byPath),
      limits: [options.only],
      files: 0,
      bytes: 0,
      tooLarge: [],
      packed: [],
    };
  const { traits, swapFiles = [], signal } = options;
  const volumes = new Set(await volumesNamed(tree));
  const search = { traits, packaged, except, volumes, ...(signal && { signal }) };
  const packed = await searchInitramfs(tree, search);
  limits.push(...packed.limits);
  const searched = await searchGuest(tree, {
    ...search,
    unpacked: new Set([...packed.images, ...swapFiles]),
  });
  const told = new Set(known.map(({ path }) => path));
  if (searched.tooLarge.length > 0)
    limits.push(`not searched, because larger than 16 MiB: ${firstOf(searched.tooLarge)}`);
  if (searched.packed.length > 0) limits.push(`not unpacked: ${firstOf(searched.packed)}`);
  return {
    ...searched,
    found: [...known, ...packed.found, ...searched.found.filter(({ path }) => !told.has(path))].sort(byPath),
    limits,
  };
}

function byPath(one: Leftover, other: Leftover): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
}

function firstOf(paths: readonly string[]): string {
  return `${paths.slice(0, 3).join(", ")}${paths.length > 3 ? ` and ${paths.length - 3} more` : ""}`;
}

/** Returns a function that says whether a path is one of `paths` or below one. Its time does not depend on their number. */
function coveredBy(paths: readonly string[]): (path: string) => boolean {
  const all = new Set(paths);
  return (path) => {
    for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) if (all.has(at)) return true;
    return false;
  };
}
