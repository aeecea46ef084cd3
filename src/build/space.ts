import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Home } from "./home.ts";

/** The disk space that files take, in bytes; holes take none. */
export interface Used {
  readonly what: string;
  readonly folder: string;
  readonly bytes: number;
  /** How to make it smaller. */
  readonly how: string;
}

/** The disk space of tbuild's folders, largest first. Checkpoints are listed by recipe and step. */
export async function usedSpace(home: Home): Promise<Used[]> {
  const checkpoints = await home.checkpoints.all();
  const rows: Omit<Used, "bytes">[] = [
    { what: "store", folder: home.store, how: "tbuild template prune" },
    { what: "bundles", folder: home.bundles, how: "delete bundles that you have copied elsewhere" },
    { what: "media", folder: home.media, how: "delete; it is made again when needed" },
    { what: "discs", folder: home.isoFolder, how: "your own files" },
    { what: "builds", folder: home.builds, how: "delete old logs and reports" },
    { what: "machines", folder: home.machines, how: "tbuild clean" },
    ...checkpoints.map(({ id, recipe, step }) => ({
      what: `checkpoint ${recipe} ${step}`,
      folder: join(home.checkpoints.folder, id),
      how: "tbuild clean --checkpoints",
    })),
  ];
  const used: Used[] = [];
  for (const row of rows) used.push({ ...row, bytes: await bytesIn(row.folder) });
  return used.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}

/**
 * The disk space of a file or folder; 0 if it does not exist. A file with several names counts once for each
 * name.
 */
export async function bytesIn(path: string): Promise<number> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (!found) return 0;
  let bytes = found.blocks * 512;
  if (found.isDirectory()) for (const name of await readdir(path)) bytes += await bytesIn(join(path, name));
  return bytes;
}
