import { chmod, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { type Lock, lock } from "../../host/lock.ts";
import { explained, namesIn, textOf, writeOnce } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import { asDigest, type Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest, manifestText, readManifest } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import { type DiskKey, diskListDigest, type Part, readDiskList } from "./disk-list.ts";
import { readPacks } from "./packs.ts";

const format = "tbuild store 2\n";

/** The files of a store. The lock's holder writes each once, completely, and syncs it. */
export interface StoreFolder {
  readonly folder: string;
  /** Waits until nobody else writes, and removes partial files of dead writers. */
  lock(signal?: AbortSignal): Promise<Lock>;
  checkFormat(): Promise<void>;
  listFile(digest: Digest): string;
  manifestFile(which: Pick<Manifest, "kind" | "name" | "version">): string;
  /** The files of all manifests, valid or not. */
  manifestFiles(): Promise<string[]>;
  /** The versions of a name, newest last. */
  versions(kind: Manifest["kind"], name: string): Promise<string[]>;
  /** The digests of all disks, published or not. */
  disks(): Promise<Digest[]>;
  /** Throws if it is already published with other content. */
  checkFree(manifest: Manifest): Promise<"new" | "there">;
  partsOf(disk: DiskKey): Promise<readonly Part[]>;
  /** The following methods need the lock. */
  addList(text: string): Promise<Digest>;
  addManifest(manifest: Manifest): Promise<Digest>;
}

// Older versions made stores that all users can read. A group that may write was let in by the owner, and stays.
async function closeToOthers(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  if ((mode & 0o007) === 0 || uid !== process.getuid?.()) return;
  const isShared = (mode & 0o2020) !== 0;
  await chmod(folder, isShared ? mode & 0o7770 : 0o700);
}

export function storeFolder(folder: string): StoreFolder {
  const listFile = (digest: Digest) => join(folder, "disks", hex(digest));
  const manifestFile = ({ kind, name, version }: Pick<Manifest, "kind" | "name" | "version">) =>
    join(folder, `${kind}s`, name, `${version}.json`);

  async function write(file: string, text: string): Promise<void> {
    try {
      await writeOnce(join(folder, "tmp", "text"), file, text);
    } catch (error) {
      throw explained(error, folder);
    }
  }

  async function checkFormat(): Promise<void> {
    const there = await textOf(join(folder, "format"));
    if (there === format || (there === undefined && !(await isOld()))) return;
    throw new TbuildError("environment", "this version of tbuild cannot read this store", {
      subject: folder,
      hint: "Remove it, or move it away, and the checkpoints with it (`tbuild clean --checkpoints`); then build again.",
    });
  }

  // Before packs existed, each chunk was a file, and there was no `format`.
  const isOld = async () => (await stat(join(folder, "chunks")).catch(() => undefined)) !== undefined;

  const self: StoreFolder = {
    folder,
    listFile,
    manifestFile,
    checkFormat,

    async lock(signal) {
      await checkFormat();
      // A master has the passwords and host keys of its build. To share a store, its owner opens this folder to a group.
      await makeFolders(folder, 0o700);
      await closeToOthers(folder);
      const held = await lock(join(folder, "lock"), signal ? { signal } : {});
      try {
        await rm(join(folder, "tmp"), { recursive: true, force: true });
        if ((await textOf(join(folder, "format"))) === undefined) await write(join(folder, "format"), format);
      } catch (error) {
        await held.release().catch(() => {});
        throw error;
      }
      return held;
    },

    manifestFiles: () => manifestFilesIn(folder),

    versions: (kind, name) => versionsIn(folder, kind, name),

    disks: () => disksIn(folder),

    async partsOf(disk) {
      await checkFormat();
      return readParts(listFile(disk.digest), disk);
    },

    async addList(text) {
      const digest = diskListDigest(text);
      const file = listFile(digest);
      if ((await textOf(file)) !== text) await write(file, text);
      // Its age decides how long a build may still publish it.
      else await utimes(file, new Date(), new Date());
      return digest;
    },

    checkFree: (manifest) => checkFree(manifestFile, manifest),

    async addManifest(manifest) {
      const free = await checkFree(manifestFile, manifest);
      await checkChunks(self, manifest);
      const digest = manifestDigest(manifest);
      const file = manifestFile(manifest);
      if (free === "new") {
        await write(sumFile(file), `${hex(digest)}  ${manifest.version}.json\n`);
        await write(file, manifestText(manifest));
      }
      return digest;
    },
  };
  return self;
}

async function manifestFilesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const kind of ["masters", "templates"])
    for (const name of await namesIn(join(folder, kind)))
      for (const file of await namesIn(join(folder, kind, name)))
        if (file.endsWith(".json")) found.push(join(folder, kind, name, file));
  return found;
}

async function versionsIn(folder: string, kind: Manifest["kind"], name: string): Promise<string[]> {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return [];
  const files = await namesIn(join(folder, `${kind}s`, name));
  return files
    .filter((file) => /^\d+\.\d+\.\d+\.json$/.test(file))
    .map((file) => file.slice(0, -".json".length))
    .sort(compareVersions);
}

async function disksIn(folder: string): Promise<Digest[]> {
  const names = await namesIn(join(folder, "disks"));
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map(asDigest);
}

/** Throws if a chunk of one of the disks is not in the store. */
async function checkChunks({ folder, partsOf }: StoreFolder, { disks }: Manifest): Promise<void> {
  const { chunks } = await readPacks(folder);
  for (const disk of disks)
    for (const { chunk } of await partsOf(disk))
      if (chunk !== undefined && !chunks.has(chunk))
        throw new TbuildError("integrity", `disk ${disk.digest}: chunk ${chunk} is missing from the store`);
}

async function readParts(file: string, disk: DiskKey): Promise<readonly Part[]> {
  const text = await textOf(file);
  try {
    if (text === undefined) throw new TbuildError("integrity", `disk ${disk.digest}: is not in the store`);
    return readDiskList(disk, text);
  } catch (cause) {
    throw new TbuildError("integrity", (cause as Error).message, {
      cause,
      hint: "`tbuild template verify` lists the versions that need it; pull or import one of them again to repair it.",
    });
  }
}

async function checkFree(
  manifestFile: StoreFolder["manifestFile"],
  manifest: Manifest,
): Promise<"new" | "there"> {
  const text = manifestText(manifest);
  const { kind, name, version } = readManifest(`${manifest.name}@${manifest.version}`, text);
  // A tool that reads only the name must not mistake a rehearsal for the real template.
  if (manifest.rehearsal !== name.endsWith("-rehearsal"))
    throw new TbuildError("integrity", `${name}@${version}: only rehearsals may use this name, and all must`);
  const there = await textOf(manifestFile({ kind, name, version }));
  if (there !== undefined && there !== text)
    throw new TbuildError("integrity", `${name}@${version}: is already published with different content`, {
      hint: "Raise the version. A published version never changes.",
    });
  return there === undefined ? "new" : "there";
}

/** The format of `sha256sum -c`. A manifest with a flipped bit can still be valid JSON, so it needs a checksum. */
export function sumFile(manifest: string): string {
  return manifest.replace(/\.json$/, ".sha256");
}

export function hex(digest: Digest): string {
  return digest.slice("sha256:".length);
}
