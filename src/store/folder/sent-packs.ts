import { rename } from "node:fs/promises";
import { join } from "node:path";
import { namesIn, textOf } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import { writeFile } from "../../io/write-file.ts";
import { asDigest, type Digest } from "../../model/digest.ts";

/** A pack that a registry had, and its chunks. It need not be a pack of this store. */
export interface SentPack {
  readonly digest: Digest;
  readonly size: number;
  readonly chunks: readonly string[];
}

const folderOf = (store: string) => join(store, "sent");

/** The packs that were sent to a registry or fetched from one. */
export async function sentPacks(store: string): Promise<SentPack[]> {
  const found: SentPack[] = [];
  for (const name of (await namesIn(folderOf(store))).sort()) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    const [size = "", ...chunks] = ((await textOf(join(folderOf(store), name))) ?? "").trim().split("\n");
    if (/^\d+$/.test(size)) found.push({ digest: asDigest(name), size: Number(size), chunks });
  }
  return found;
}

/** Remembers a pack, so that the next version need not send the same chunks in another pack. */
export async function rememberSent(store: string, { digest, size, chunks }: SentPack): Promise<void> {
  const file = join(folderOf(store), digest.replace("sha256:", ""));
  try {
    await makeFolders(folderOf(store));
    await writeFile(`${file}.${process.pid}`, `${[size, ...chunks].join("\n")}\n`);
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // A store that this user may only read. The next push sends more than it has to.
  }
}

/** Files about packs of which no chunk is needed any more. */
export async function uselessSent(store: string, needed: ReadonlySet<string>): Promise<string[]> {
  const useful = new Set(
    (await sentPacks(store))
      .filter(({ chunks }) => chunks.some((chunk) => needed.has(chunk)))
      .map(({ digest }) => digest.replace("sha256:", "")),
  );
  return (await namesIn(folderOf(store)))
    .filter((name) => !useful.has(name))
    .map((name) => join(folderOf(store), name));
}
