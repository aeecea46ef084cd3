import type { Output } from "../../host/host.ts";
import { parentOf, type Stat } from "../tree.ts";

/**
 * The interface for reading files: runs a script with guest paths as arguments, and returns known facts about
 * a path.
 */
export interface FilesOn {
  run(script: string, paths: readonly string[]): Promise<Output>;
  names(dir: string): Promise<string[]>;
  known(path: string): Stat | undefined;
}

/** Reads files over a slow connection: a small file is read together with its siblings. */
export function mountedFiles({ run, names, known }: FilesOn) {
  const contents = new Map<string, Uint8Array>();
  let contentBytes = 0;
  // For each folder in which a file was read: its other small files that are still unread.
  const unread = new Map<string, string[]>();

  function forget(): void {
    contents.clear();
    unread.clear();
    contentBytes = 0;
  }

  async function readFile(path: string): Promise<Uint8Array> {
    if (!contents.has(path) && isSmallFile(known(path)))
      await readTogether([path, ...(await neighbours(path))]);
    return contents.get(path) ?? (await run('exec cat -- "$1"', [path])).bytes;
  }

  // Up to 200 of its small siblings, each once.
  async function neighbours(path: string): Promise<string[]> {
    const dir = parentOf(path);
    const left =
      unread.get(dir) ??
      (await names(dir))
        .map((name) => (dir === "/" ? `/${name}` : `${dir}/${name}`))
        .filter((one) => isSmallFile(known(one)));
    unread.set(dir, left);
    return left.splice(-200).filter((one) => one !== path && !contents.has(one));
  }

  // One cat for many files. The sizes before and after show where each ends, and that none changed meanwhile.
  async function readTogether(paths: readonly string[]): Promise<void> {
    const { bytes } = await run(readScript, paths);
    const text = Buffer.from(bytes);
    const end = text.indexOf("\n\n");
    const sizes = text.toString("latin1", 0, end).split("\n").map(Number);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const after = text
      .toString("latin1", end + 2 + total)
      .trim()
      .split("\n")
      .map(Number);
    if (sizes.length !== paths.length || String(sizes) !== String(after)) return;
    if (contentBytes + total > contentsKept) {
      contents.clear();
      contentBytes = 0;
    }
    contentBytes += total;
    let at = end + 2;
    for (const [index, path] of paths.entries()) {
      const size = sizes[index] ?? 0;
      contents.set(path, text.subarray(at, at + size));
      at += size;
    }
  }

  return { readFile, forget };
}

const readScript =
  'find "$@" -maxdepth 0 -printf \'%s\\n\'; echo; cat -- "$@"; find "$@" -maxdepth 0 -printf \'%s\\n\'';

// Of files that were read with their neighbours.
const contentsKept = 64 << 20;

function isSmallFile(stat: Stat | undefined): boolean {
  return stat?.kind === "file" && stat.size <= 64 * 1024;
}
