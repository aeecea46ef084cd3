import { open, readFile, stat } from "node:fs/promises";
import { TbuildError } from "../../../errors.ts";
import { type Compression, openCompression } from "../../../io/compression.ts";
import { bytesAt } from "../../../io/durable.ts";
import { asDigest, type Digest, digestOf } from "../../../model/digest.ts";
import { type Entry, fullPack, makePack, type PackedChunk, unpack } from "../../folder/pack.ts";
import { packFile, readPacks } from "../../folder/packs.ts";
import { type SentPack, sentPacks } from "../../folder/sent-packs.ts";

export interface PackToSend extends SentPack {
  /** The registry has it already. */
  readonly isThere: boolean;
  read(): Promise<Uint8Array>;
}

interface Place {
  readonly pack: string;
  readonly entry: Entry;
}

/**
 * The packs that a registry needs for some chunks. A pack of the store may also contain chunks of an unsealed master, with
 * the secrets of its build, or of other templates. Such a pack is never sent: its needed chunks are sent in a new one. Packs
 * that the registry has from earlier versions are used again.
 */
export async function packsToSend(
  store: string,
  needed: ReadonlySet<string>,
  isThere: (digest: Digest) => Promise<boolean>,
): Promise<PackToSend[]> {
  const left = new Set(needed);
  const found: PackToSend[] = [];
  const use = (pack: PackToSend) => {
    found.push(pack);
    for (const chunk of pack.chunks) left.delete(chunk);
  };
  for (const pack of byUse(await sentPacks(store), needed))
    if (isMostly(pack.chunks, left) && (await isThere(pack.digest)))
      use({ ...pack, isThere: true, read: () => Promise.reject(new Error("is not sent")) });
  const { packs, chunks } = await readPacks(store);
  for (const [pack, entries] of packs) {
    const own = entries.map(({ digest }) => digest);
    if (!own.every((chunk) => needed.has(chunk)) || !isMostly(own, left)) continue;
    const file = packFile(store, pack);
    const { size } = await stat(file);
    use({ digest: asDigest(pack), size, chunks: own, isThere: false, read: () => readFile(file) });
  }
  const places = [...left].map((chunk) => {
    const place = chunks.get(chunk);
    if (place) return place;
    throw new TbuildError("integrity", `chunk ${chunk}: is missing from the store`);
  });
  for (const group of grouped(places)) found.push(await newPack(store, group));
  return found;
}

function byUse(packs: readonly SentPack[], needed: ReadonlySet<string>): SentPack[] {
  const used = ({ chunks }: SentPack) => chunks.filter((chunk) => needed.has(chunk)).length;
  return packs.filter((pack) => used(pack) > 0).sort((one, other) => used(other) - used(one));
}

// Whoever pulls fetches the whole pack.
function isMostly(chunks: readonly string[], left: ReadonlySet<string>): boolean {
  return chunks.filter((chunk) => left.has(chunk)).length * 2 > chunks.length;
}

function* grouped(places: readonly Place[]): Generator<Place[]> {
  let [group, bytes] = [[] as Place[], 0];
  for (const place of places) {
    group.push(place);
    bytes += place.entry.stored;
    if (bytes < fullPack) continue;
    yield group;
    [group, bytes] = [[], 0];
  }
  if (group.length > 0) yield group;
}

async function newPack(store: string, group: readonly Place[]): Promise<PackToSend> {
  const data = await packOf(store, group);
  return {
    digest: digestOf(data),
    size: data.length,
    chunks: group.map(({ entry }) => entry.digest),
    isThere: false,
    // Made again, because all packs of a template would need too much memory.
    read: async () => packOf(store, group, await openCompression()),
  };
}

/** A pack of chunks from other packs. With `compression`, each is verified. */
async function packOf(store: string, group: readonly Place[], compression?: Compression): Promise<Buffer> {
  const chunks = new Map<string, PackedChunk>();
  for (const pack of new Set(group.map((place) => place.pack))) {
    const handle = await open(packFile(store, pack), "r");
    try {
      for (const { entry } of group.filter((place) => place.pack === pack)) {
        const { digest, length } = entry;
        if (compression && !(await unpack(handle, entry, compression)))
          throw new TbuildError("integrity", `chunk ${digest}: does not match its digest`, {
            hint: "The store is damaged; `tbuild template verify` lists the versions that corruption affects.",
          });
        chunks.set(digest, { digest, length, stored: await bytesAt(handle, entry.at, entry.stored) });
      }
    } finally {
      await handle.close();
    }
  }
  return makePack(group.flatMap(({ entry }) => chunks.get(entry.digest) ?? []));
}
