import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { checkInterrupted, TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { lock } from "../host/lock.ts";
import { dataExtents, dataFinder } from "./extents.ts";
import { manifestDigest, manifestText, readManifest } from "./manifest-file.ts";
import type { Digest, Manifest, Store, StoredDisk } from "./store.ts";
import { compareVersions } from "./version.ts";

// Small enough that a changed file spares its neighbours, large enough that a 12 GiB disk has 3072 of them.
const chunkBytes = 4 * 1024 * 1024;

/** The digests of a disk's chunks, in order; `undefined` is a chunk of zeros, which is neither kept nor read. */
type ChunkList = readonly (string | undefined)[];

/**
 * A store in a folder:
 *
 *     chunks/ab/cdef…                 4 MiB of some disk, by sha256
 *     disks/<digest>.json             the chunks of a disk, in order
 *     masters/, templates/<name>/<version>.json
 *     tmp/                            written here, synced, renamed; the manifest last
 *
 * A disk's digest is that of its chunk list and size, not of its plain bytes: so holes cost nothing, and versions
 * share what they have in common. Bundles carry plain SHA-256 sums.
 */
export function folderStore(host: Host, folder: string): Store {
  const chunkFile = (digest: string) => join(folder, "chunks", digest.slice(0, 2), digest.slice(2));
  const listFile = (digest: Digest) => join(folder, "disks", `${digest.slice("sha256:".length)}.json`);
  const manifestFile = (kind: Manifest["kind"], name: string, version: string) =>
    join(folder, `${kind}s`, name, `${version}.json`);

  async function chunksOf(disk: Pick<StoredDisk, "digest" | "bytes">): Promise<ChunkList> {
    const text = await readFile(listFile(disk.digest), "utf8").catch(() => undefined);
    if (text === undefined) throw new TbuildError("integrity", `disk ${disk.digest}: is not in the store`);
    const list = (JSON.parse(text) as (string | 0)[]).map((one) => (one === 0 ? undefined : one));
    if (diskDigest(list, disk.bytes) !== disk.digest)
      throw new TbuildError("integrity", `disk ${disk.digest}: its chunk list is not what its digest says`);
    return list;
  }

  const self: Store = {
    async putDisk(file, name, signal) {
      const handle = await open(file, "r");
      try {
        const { size } = await handle.stat();
        const hasData = dataFinder(await dataExtents(host, file), chunkBytes);
        const list: (string | undefined)[] = [];
        let dataBytes = 0;
        for (let start = 0; start < size; start += chunkBytes) {
          checkInterrupted(signal);
          const data = hasData(start)
            ? await bytesAt(handle, start, Math.min(chunkBytes, size - start))
            : undefined;
          if (!data || isZero(data)) {
            list.push(undefined);
            continue;
          }
          const digest = createHash("sha256").update(data).digest("hex");
          list.push(digest);
          dataBytes += data.length;
          if (!(await exists(chunkFile(digest)))) await writeOnce(folder, chunkFile(digest), data);
        }
        const digest = diskDigest(list, size);
        if (!(await exists(listFile(digest))))
          await writeOnce(folder, listFile(digest), JSON.stringify(list.map((one) => one ?? 0)));
        return { name, digest, bytes: size, dataBytes };
      } catch (error) {
        throw explained(error, folder);
      } finally {
        await handle.close();
      }
    },

    async restoreDisk(disk, to, signal) {
      const handle = await open(to, "w");
      try {
        await handle.truncate(disk.bytes);
        for await (const { start, data } of self.readDisk(disk, signal))
          if (data) await writeAll(handle, data, start);
      } catch (error) {
        await rm(to, { force: true });
        throw explained(error, to);
      } finally {
        await handle.close();
      }
    },

    async *readDisk(disk, signal) {
      let start = 0;
      let hole = 0;
      for (const digest of await chunksOf(disk)) {
        checkInterrupted(signal);
        const length = Math.min(chunkBytes, disk.bytes - start - hole);
        if (digest === undefined) {
          hole += length;
          continue;
        }
        if (hole > 0) yield { start, length: hole };
        start += hole;
        hole = 0;
        yield { start, length, data: await checkedChunk(chunkFile(digest), digest) };
        start += length;
      }
      if (hole > 0) yield { start, length: hole };
    },

    async openDisk(disk) {
      const path = join(folder, "plain", `${disk.digest.slice("sha256:".length)}.img`);
      if (await exists(path)) return path;
      await mkdir(join(folder, "plain"), { recursive: true });
      await self.restoreDisk(disk, `${path}.${process.pid}`);
      await rename(`${path}.${process.pid}`, path);
      return path;
    },

    async publish(manifest) {
      const text = manifestText(manifest);
      const { kind, name, version } = readManifest(`${manifest.name}@${manifest.version}`, text);
      // Whatever takes a template by its name alone must not be able to take a rehearsal for the real one.
      if (manifest.rehearsal !== name.endsWith("-rehearsal"))
        throw new TbuildError(
          "integrity",
          `${name}@${version}: only a rehearsal, and every rehearsal, is named so`,
        );
      const file = manifestFile(kind, name, version);
      await using _lock = await lock(join(folder, "lock"));
      for (const disk of manifest.disks) await chunksOf(disk);
      const there = await readFile(file, "utf8").catch(() => undefined);
      if (there !== undefined && there !== text)
        throw new TbuildError("integrity", `${name}@${version}: is published with other content`, {
          hint: "Raise the version: what is published stays as it is.",
        });
      if (there === undefined) await writeOnce(folder, file, text);
      return manifestDigest(manifest);
    },

    async find(kind, ref) {
      const all = (await self.list()).filter(
        (manifest) =>
          manifest.kind === kind &&
          manifest.name === ref.name &&
          (ref.version ?? manifest.version) === manifest.version,
      );
      return all.sort((a, b) => compareVersions(b.version, a.version))[0];
    },

    async get(digest) {
      return (await self.list()).find((manifest) => manifestDigest(manifest) === digest);
    },

    async list() {
      const found: Manifest[] = [];
      for (const kind of ["masters", "templates"])
        for (const name of await namesIn(join(folder, kind)))
          for (const file of await namesIn(join(folder, kind, name))) {
            const path = join(folder, kind, name, file);
            if (file.endsWith(".json")) found.push(readManifest(path, await readFile(path, "utf8")));
          }
      return found;
    },

    async lineage(digest) {
      const line = new Map<Digest, Manifest>();
      // A manifest names its parent by digest, so a ring cannot be made; a store that was tampered with can hold one.
      for (let next: Digest | undefined = digest; next !== undefined && !line.has(next); ) {
        const manifest: Manifest | undefined = await self.get(next);
        if (!manifest) break;
        line.set(next, manifest);
        next = manifest.parent;
      }
      return [...line.values()];
    },

    async ownBytes() {
      const users = new Map<string, Set<Digest>>();
      const own = new Map<Digest, number>();
      for (const manifest of await self.list()) {
        const digest = manifestDigest(manifest);
        own.set(digest, 0);
        // A disk that is missing is for `verify` to report; here it takes no room.
        for (const disk of manifest.disks)
          for (const chunk of await chunksOf(disk).catch((): ChunkList => []))
            if (chunk !== undefined) users.set(chunk, (users.get(chunk) ?? new Set()).add(digest));
      }
      for (const [chunk, [only, ...others]] of users) {
        if (only === undefined || others.length > 0) continue;
        const { size = 0 } = (await stat(chunkFile(chunk)).catch(() => undefined)) ?? {};
        own.set(only, (own.get(only) ?? 0) + size);
      }
      return own;
    },

    async verify(signal) {
      const wrong: string[] = [];
      for (const manifest of await self.list()) {
        for (const disk of manifest.disks) {
          const what = `${manifest.kind} ${manifest.name}@${manifest.version}, disk ${disk.name}`;
          const list = await chunksOf(disk).catch((error) => {
            wrong.push(`${what}: ${error instanceof Error ? error.message : error}`);
            return [];
          });
          for (const digest of new Set(list)) {
            checkInterrupted(signal);
            if (digest === undefined) continue;
            const data = await readFile(chunkFile(digest)).catch(() => undefined);
            if (!data) wrong.push(`${what}: chunk ${digest} is missing`);
            else if (createHash("sha256").update(data).digest("hex") !== digest)
              wrong.push(`${what}: chunk ${digest} is not what its digest says`);
          }
        }
      }
      return wrong;
    },
  };
  return self;
}

function diskDigest(list: ChunkList, bytes: number): Digest {
  const text = `tbuild disk 1\n${bytes}\n${chunkBytes}\n${list.map((one) => one ?? "0").join("\n")}\n`;
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

async function checkedChunk(file: string, digest: string): Promise<Uint8Array> {
  const data = await readFile(file).catch(() => undefined);
  if (!data) throw new TbuildError("integrity", `chunk ${digest}: is missing from the store`);
  if (createHash("sha256").update(data).digest("hex") !== digest)
    throw new TbuildError("integrity", `chunk ${digest}: is not what its digest says`, {
      hint: "The store is damaged; `tbuild template verify` names what is hit.",
    });
  return data;
}

/** Appears under its name whole or not at all, and stays after a power cut. */
async function writeOnce(folder: string, file: string, data: string | Uint8Array): Promise<void> {
  await mkdir(join(folder, "tmp"), { recursive: true });
  await mkdir(join(file, ".."), { recursive: true });
  const temporary = join(
    folder,
    "tmp",
    `${process.pid}-${createHash("sha256").update(file).digest("hex").slice(0, 16)}`,
  );
  const handle = await open(temporary, "w", 0o444);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

async function writeAll(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.length; )
    done += (await handle.write(data, done, data.length - done, position + done)).bytesWritten;
}

async function bytesAt(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, start + done);
    if (bytesRead === 0) throw new Error(`the image became shorter while it was read`);
    done += bytesRead;
  }
  return buffer;
}

const zeros = Buffer.alloc(chunkBytes);

function isZero(data: Buffer): boolean {
  return data.equals(zeros.subarray(0, data.length));
}

function explained(error: unknown, place: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== "ENOSPC") return error;
  return new TbuildError("environment", `${place}: the disk is full`, {
    hint: "Make room and try again: nothing was published, and nothing that was is lost.",
    cause: error,
  });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch((): string[] => [])).sort();
}
