import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { type Compression, openCompression } from "../../io/compression.ts";
import { explained, namesIn, writeOnce } from "../../io/durable.ts";
import { inParallel } from "../../io/parallel.ts";
import { sha256Of } from "../../io/sha256.ts";
import { type Entry, fullPack, makePack, type PackedChunk, readIndex, unpack } from "./pack.ts";

/** How many chunks are processed at once: more than Node's pool has threads, so that no thread waits. */
export const chunksAtATime = 16;

/** The packs of a store by the sha256 of their bytes, at the time of reading. */
export interface PackIndex {
  readonly packs: ReadonlyMap<string, readonly Entry[]>;
  /** The first pack that contains each chunk. */
  readonly chunks: ReadonlyMap<string, { readonly pack: string; readonly entry: Entry }>;
  /** Unreadable packs. */
  readonly broken: readonly string[];
}

export const packFile = (folder: string, pack: string) => join(folder, "packs", `${pack}.pack`);

export async function readPacks(folder: string): Promise<PackIndex> {
  const names = (await namesIn(join(folder, "packs")))
    .map((name) => /^([0-9a-f]{64})\.pack$/.exec(name)?.[1])
    .filter((name) => name !== undefined)
    .sort();
  const packs = new Map<string, readonly Entry[]>();
  const chunks = new Map<string, { pack: string; entry: Entry }>();
  const broken: string[] = [];
  const read = inParallel(names, chunksAtATime, async (pack) => ({
    pack,
    entries: await readIndex(packFile(folder, pack)).catch(() => undefined),
  }));
  for await (const { pack, entries } of read) {
    if (!entries) broken.push(pack);
    else packs.set(pack, entries);
    for (const entry of entries ?? [])
      if (!chunks.has(entry.digest)) chunks.set(entry.digest, { pack, entry });
  }
  return { packs, chunks, broken };
}

/** Reads chunks. Recently used packs stay open. */
export interface ChunkReader extends AsyncDisposable {
  read(chunk: string): Promise<Buffer>;
}

export async function openChunks(folder: string): Promise<ChunkReader> {
  // In order of use. Large enough that no pack is closed while a chunk still needs it.
  const handles = new Map<string, Promise<FileHandle>>();
  const keptOpen = 2 * chunksAtATime;
  let index = await readPacks(folder);
  const compression: Compression = await openCompression();

  async function handleOf(pack: string): Promise<FileHandle> {
    const handle = handles.get(pack) ?? open(packFile(folder, pack), "r");
    handles.delete(pack);
    handles.set(pack, handle);
    const [oldest] = handles.keys();
    if (handles.size > keptOpen && oldest !== undefined) {
      const closing = handles.get(oldest);
      handles.delete(oldest);
      await (await closing)?.close();
    }
    return handle;
  }

  async function find(chunk: string) {
    const found = index.chunks.get(chunk);
    if (!found) return undefined;
    const handle = await handleOf(found.pack).catch(() => void handles.delete(found.pack));
    return handle && { ...found, handle };
  }

  return {
    async read(chunk) {
      let found = await find(chunk);
      if (!found) {
        // Pruning moved it to another pack, or it was never here.
        index = await readPacks(folder);
        found = await find(chunk);
      }
      if (!found) throw new TbuildError("integrity", `chunk ${chunk}: is missing from the store`);
      const data = await unpack(found.handle, found.entry, compression).catch(() => undefined);
      if (!data)
        throw new TbuildError("integrity", `chunk ${chunk}: does not match its digest`, {
          lines: [packFile(folder, found.pack)],
          hint: "The store is damaged; `tbuild template verify` lists the versions that corruption affects.",
        });
      return data;
    },
    async [Symbol.asyncDispose]() {
      for (const handle of handles.values()) await handle.then((one) => one.close()).catch(() => {});
    },
  };
}

/** Writes chunks that no pack has yet into new packs. Needs the store's lock. */
export interface PackWriter {
  /** Returns the chunk's digest. The chunk is stored when its pack is full, at the latest by `close`. */
  prepare(data: Buffer): Promise<PreparedChunk>;
  add(chunk: PreparedChunk): Promise<void>;
  close(): Promise<void>;
}

export interface PreparedChunk {
  readonly digest: string;
  /** Missing if it is already stored. */
  readonly packed?: PackedChunk;
}

export async function openPackWriter(folder: string, known: Iterable<string>): Promise<PackWriter> {
  const compression = await openCompression();
  const taken = new Set(known);
  let waiting: PackedChunk[] = [];
  let bytes = 0;
  let writing: Promise<unknown> = Promise.resolve();

  async function closePack(): Promise<void> {
    const pack = makePack(waiting);
    waiting = [];
    bytes = 0;
    // One pack is written while the next fills.
    await writing;
    writing = addPack(folder, pack);
    writing.catch(() => {});
  }

  return {
    async prepare(data) {
      const digest = await sha256Of(data);
      if (taken.has(digest)) return { digest };
      taken.add(digest);
      const stored = (await compression.compress(data)) ?? data;
      return {
        digest,
        packed: { digest, length: data.length, stored },
      };
    },
    async add({ packed }) {
      if (!packed) return;
      waiting.push(packed);
      bytes += packed.stored.length;
      if (bytes >= fullPack) await closePack();
    },
    async close() {
      if (waiting.length > 0) await closePack();
      await writing;
    },
  };
}

/** Stores a pack. Returns its name. */
export async function addPack(folder: string, pack: Buffer): Promise<string> {
  const digest = createHash("sha256").update(pack).digest("hex");
  try {
    await writeOnce(join(folder, "tmp", `${digest}.pack`), packFile(folder, digest), pack);
  } catch (error) {
    throw explained(error, folder);
  }
  return digest;
}
