import { type FileHandle, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { replaceFile } from "../../host/partial-file.ts";

/** A block as bare deflate data (RFC 1951). Its bytes are the same each time. */
export interface DeflatedBlock {
  /** The SHA-256 of the data. */
  readonly key: string;
  readonly bytes: Uint8Array;
  /** Adler-32 of the data, for zlib's format. */
  readonly adler: number;
}

/**
 * Where the deflated blocks of finished bundles are. The bundles themselves hold the bytes: a list beside them only says where.
 * A bundle that is gone, or was changed, is not used.
 */
export interface PackedBlocks extends AsyncDisposable {
  find(key: string): Promise<Omit<DeflatedBlock, "key"> | undefined>;
  /** Adds the blocks of a complete bundle. */
  add(file: string, blocks: readonly BlockPlace[]): Promise<void>;
}

/** Where a block is in its bundle, without its bytes: a bundle can have a hundred thousand blocks. */
export interface BlockPlace {
  readonly key: string;
  /** In bytes from the beginning of the bundle. */
  readonly at: number;
  readonly bytes: number;
  /** CRC-32 of the deflated bytes. */
  readonly sum: number;
  readonly adler: number;
}

export function placeOf({ key, bytes, adler }: DeflatedBlock, at: number): BlockPlace {
  return { key, at, bytes: bytes.length, sum: crc32(bytes), adler };
}

type Place = BlockPlace & { readonly file: string };

/** A list of one bundle. Its first line says which; each other line is a block: key, position, length, sums. */
interface List {
  readonly maker: string;
  readonly bundle: string;
  readonly bytes: number;
}

const suffix = ".blocks";
/** As many bundles as two versions of a template usually have. */
const mostLists = 8;

export async function openPackedBlocks(options: {
  /** The folder of the lists; without it, only bundles of this process are known. */
  readonly folder: string | undefined;
  /** Only bundles whose names begin with this are looked at. */
  readonly name: string;
  /** What deflated the blocks. Lists of another maker are not used. */
  readonly maker: string;
}): Promise<PackedBlocks> {
  const { folder, name, maker } = options;
  const places = new Map<string, Place>();
  const handles = new Map<string, Promise<FileHandle | undefined>>();
  if (folder !== undefined)
    for (const list of await newestLists(folder, name)) await readList(join(folder, list), maker, places);

  return {
    async find(key) {
      const place = places.get(key);
      if (!place) return undefined;
      const { file, at, bytes, sum, adler } = place;
      const handle = handles.get(file) ?? open(file, "r").catch(() => undefined);
      handles.set(file, handle);
      const data = Buffer.allocUnsafe(bytes);
      const read = await (await handle)?.read(data, 0, bytes, at).catch(() => undefined);
      if (read?.bytesRead === bytes && crc32(data) === sum) return { bytes: data, adler };
      places.delete(key);
      return undefined;
    },
    async add(file, blocks) {
      const lines: string[] = [];
      for (const { key, at, bytes, sum, adler } of blocks) {
        if (!places.has(key)) places.set(key, { key, file, at, bytes, sum, adler });
        lines.push(`${key} ${at} ${bytes} ${sum} ${adler}`);
      }
      if (folder === undefined || lines.length === 0) return;
      const bundle = resolve(file);
      const head: List = { maker, bundle, bytes: (await stat(bundle)).size };
      const text = `${[JSON.stringify(head), ...lines].join("\n")}\n`;
      // Without the list, the next bundle deflates these blocks again.
      await replaceFile(join(folder, `${basename(file)}${suffix}`), text, 0o600).catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      for (const handle of handles.values()) await (await handle)?.close().catch(() => {});
    },
  };
}

async function newestLists(folder: string, name: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter(
    (one) => one.startsWith(`${name}-`) && one.endsWith(suffix),
  );
  const dated = await Promise.all(
    names.map(async (one) => ({
      one,
      at: (await stat(join(folder, one)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  return dated
    .sort((a, b) => b.at - a.at)
    .slice(0, mostLists)
    .map(({ one }) => one);
}

/** Reads a list, and removes one whose bundle is gone. An unreadable list is as good as none. */
async function readList(list: string, maker: string, places: Map<string, Place>): Promise<void> {
  try {
    const [first = "", ...lines] = (await readFile(list, "utf8")).trimEnd().split("\n");
    const head = JSON.parse(first) as Partial<List>;
    const { bundle, bytes } = head;
    const size = bundle === undefined ? undefined : (await stat(bundle).catch(() => undefined))?.size;
    if (bundle === undefined || size === undefined) return await rm(list, { force: true });
    if (head.maker !== maker || size !== bytes) return;
    for (const line of lines) {
      const [key = "", ...numbers] = line.split(" ");
      const [at = -1, length = -1, sum = -1, adler = -1] = numbers.map(Number);
      const place = { key, file: bundle, at, bytes: length, sum, adler };
      if (!places.has(key) && isPlace(place, size)) places.set(key, place);
    }
  } catch {
    return;
  }
}

function isPlace({ at, bytes, sum, adler }: Place, size: number): boolean {
  return (
    [at, bytes, sum, adler].every((one) => Number.isSafeInteger(one) && one >= 0) &&
    at + bytes <= size &&
    bytes > 0
  );
}
