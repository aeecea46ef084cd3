import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { patchOf } from "../../io/patch.ts";
import { tarEntries } from "../../io/tar.ts";

/** A path in a root that a module made, changed or removed. */
export interface Change {
  readonly path: string;
  readonly how: "added" | "changed" | "removed";
  readonly kind: "file" | "dir" | "link" | "other";
  /** `0644 root:root`, with numbers if they are not 0, for the current state. */
  readonly mode?: string;
  /** Differences other than the content. */
  readonly what: readonly string[];
  /** The lines that differ, if both are texts. */
  readonly patch?: readonly string[];
}

/** The contents of a tar of an overlay's upper layer, or of the files below it, by path from `/`. */
export type Held = ReadonlyMap<string, HeldEntry>;

interface HeldEntry {
  readonly kind: Change["kind"] | "whiteout";
  readonly mode: number;
  readonly owner: string;
  readonly target: string;
  readonly digest: string;
  readonly text: string | undefined;
  /** A folder that hides the one below it. */
  readonly isNew: boolean;
}

/** Reads such tars; the second of a pair is of a folder, such as `/usr`. A missing one counts as empty. */
export async function heldIn(tars: readonly (readonly [file: string, prefix: string])[]): Promise<Held> {
  const found = new Map<string, HeldEntry>();
  for (const [file, prefix] of tars) {
    if (!(await stat(file).catch(() => undefined))) continue;
    for await (const entry of tarEntries(createReadStream(file))) {
      const path = `${prefix}/${entry.name.replace(/^\.\//, "").replace(/\/$/, "")}`;
      const hash = createHash("sha256");
      const kept: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of entry.body) {
        hash.update(chunk);
        bytes += chunk.length;
        if (bytes <= mostText) kept.push(chunk);
      }
      found.set(path, {
        kind: kindOf(entry),
        mode: entry.mode & 0o7777,
        owner: `${entry.uid}:${entry.gid}`,
        target: entry.target,
        digest: hash.digest("hex"),
        text: bytes <= mostText ? textOf(Buffer.concat(kept)) : undefined,
        isNew: entry.pax["SCHILY.xattr.trusted.overlay.opaque"] === "y",
      });
    }
  }
  return found;
}

/** The differences between the earlier files and the upper layer. */
export function changesFrom(before: Held, now: Held): Change[] {
  const changes: Change[] = [];
  for (const [path, entry] of now) {
    const was = before.get(path);
    if (entry.kind === "whiteout") {
      if (was && was.kind !== "whiteout") changes.push({ path, how: "removed", kind: was.kind, what: [] });
      continue;
    }
    const mode = `${entry.mode.toString(8).padStart(4, "0")} ${entry.owner === "0:0" ? "root:root" : entry.owner}`;
    const { kind } = entry;
    if (!was || was.kind === "whiteout") {
      const patch = kind === "file" && entry.text !== undefined ? patchOf("", entry.text) : undefined;
      const what = kind === "link" ? [`to ${entry.target}`] : [];
      changes.push({ path, how: "added", kind, mode, what, ...(patch && { patch }) });
      continue;
    }
    const what = [
      ...(was.kind !== kind ? [`was a ${was.kind}`] : []),
      ...(was.mode !== entry.mode && kind !== "link"
        ? [`mode was ${was.mode.toString(8).padStart(4, "0")}`]
        : []),
      ...(was.owner !== entry.owner ? [`owner was ${was.owner === "0:0" ? "root:root" : was.owner}`] : []),
      ...(kind === "link" && was.target !== entry.target
        ? [`points to ${entry.target}, not ${was.target}`]
        : []),
      ...(kind === "dir" && entry.isNew && !was.isNew ? ["was removed and made again"] : []),
    ];
    const differs = kind === "file" && was.digest !== entry.digest;
    if (what.length === 0 && !differs) continue;
    const patch =
      differs && was.text !== undefined && entry.text !== undefined
        ? patchOf(was.text, entry.text)
        : undefined;
    changes.push({ path, how: "changed", kind, mode, what, ...(patch && { patch }) });
  }
  return sorted(changes);
}

/** The changes of the second run: from one state of the upper layer to the next. */
export function changesBetween(before: Held, first: Held, second: Held): Change[] {
  // Files that the first run did not touch are unchanged.
  const changes = changesFrom(new Map([...before, ...first]), second);
  // If the second run removes a file of the first, the upper layer has no trace of it.
  for (const [path, was] of first)
    if (was.kind !== "whiteout" && !second.has(path))
      changes.push({ path, how: "removed", kind: was.kind, what: [] });
  return sorted(changes);
}

function sorted(changes: readonly Change[]): Change[] {
  return changes.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

// Nobody reads a longer text.
const mostText = 256 * 1024;

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function kindOf({ type, device }: { type: string; device: readonly [number, number] }): HeldEntry["kind"] {
  if (type === "file" || type === "contiguous-file") return "file";
  if (type === "directory") return "dir";
  if (type === "symlink") return "link";
  if (type === "character-device" && device[0] === 0 && device[1] === 0) return "whiteout";
  return "other";
}
