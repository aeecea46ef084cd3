import { createReadStream } from "node:fs";
import { type FileHandle, open, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import { checkInterrupted, Interrupted, TbuildError } from "../../errors.ts";
import { behindLinks, writeInOnePiece } from "../../host/partial-file.ts";
import { workFolder } from "../../host/temporary.ts";
import { writeAll } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import { type TarEntry, tarEnd, tarEntries, tarHeader, tarPadding } from "../../io/tar.ts";
import type { StoredDisk } from "../../model/disk.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest, manifestText, readManifest } from "../../model/manifest.ts";
import type { Found } from "../records/finder.ts";
import type { Records } from "../records/records.ts";
import type { Revocation } from "../records/revocations.ts";
import type { Signature } from "../records/signature.ts";
import type { Store } from "../store.ts";

/*
 * A template in one file: a tar archive that other tools can list.
 *
 *     tbuild-export.json              what this is
 *     manifests/0.json, 0.json.sig    the template, then its ancestors
 *     disks/<disk>/<offset>.gz        a piece of a disk; the rest is zeros
 *
 * Pieces are compressed in parallel. Neither writer nor reader needs to know a size beforehand.
 */
const format = "tbuild export 1";
const Head = z.object({
  format: z.literal(format),
  name: z.string(),
  version: z.string(),
  revoked: z.object({ reason: z.string(), since: z.iso.datetime() }).exactOptional(),
});
const pieceBytes = 4 * 1024 * 1024;
const sideBySide = 4;
// More than any Xen guest has; a disk that claims more is refused before it is read.
const mostDiskBytes = 16 * 2 ** 40;
const mostManifestBytes = 64 * 1024 * 1024;

export interface ExportOptions {
  readonly signal: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

/** Writes a template, the first of its lineage, into `file`, which appears complete or not at all. Returns its size. */
export async function exportTemplate(
  store: Store,
  records: Records,
  lineage: readonly Found[],
  file: string,
  options: ExportOptions,
): Promise<number> {
  const [entry] = lineage;
  if (!entry) throw new Error("nothing to export");
  const { name, version } = entry.manifest;
  if (!entry.here)
    throw new TbuildError("environment", `${name}@${version}: its disk is missing from this store`, {
      hint: "Pull or import it first, or export it on the machine that built it.",
    });
  await writeInOnePiece(await behindLinks(file), async (handle) => {
    const put = writer(handle);
    const head = { format, name, version, ...(entry.revoked && { revoked: entry.revoked }) };
    await put("tbuild-export.json", Buffer.from(`${JSON.stringify(head)}\n`));
    for (const [i, { manifest }] of lineage.entries()) {
      await put(`manifests/${i}.json`, Buffer.from(manifestText(manifest)));
      const signature = await records.signatureText(manifest);
      if (signature !== undefined) await put(`manifests/${i}.json.sig`, Buffer.from(signature));
    }
    for (const disk of entry.manifest.disks) await putDisk(store, disk, put, options);
    await writeAll(handle, tarEnd);
  });
  return (await stat(file)).size;
}

export interface Imported {
  readonly manifest: Manifest;
  readonly signature: Signature;
  /** It was already here; nothing was done. */
  readonly already: boolean;
}

/** True if `file` starts like an export. */
export async function isExport(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) return false;
  if (!found?.isFile()) throw new TbuildError("usage", "no such file", { subject: file });
  const start = Buffer.alloc(64);
  await using handle = await open(file, "r").catch((error) => {
    throw fileFault(error, file);
  });
  await handle.read(start, 0, start.length, 0);
  return start.toString("latin1").startsWith("tbuild-export.json\0");
}

/** Imports what `exportTemplate` wrote. Nothing is published before every byte matches its digest. */
export async function importTemplate(
  store: Store,
  records: Records,
  file: string,
  folder: string,
  options: ExportOptions,
): Promise<Imported> {
  await using work = await workFolder(folder);
  try {
    return await imported(store, records, file, work.path, options);
  } catch (error) {
    if (error instanceof TbuildError || error instanceof Interrupted) throw error;
    const fault = fileFault(error, work.path);
    if (fault instanceof TbuildError) throw fault;
    throw new TbuildError("integrity", "is damaged or cut off", {
      subject: file,
      cause: error,
      hint: "Nothing was published. Copy it again, and compare its sha256sum with the original.",
    });
  }
}

async function imported(
  store: Store,
  records: Records,
  file: string,
  work: string,
  options: ExportOptions,
): Promise<Imported> {
  const bad = (what: string) => new TbuildError("integrity", what, { subject: file });
  const { lineage, signatures, revoked } = await unpack(store, file, work, options, bad);
  const [manifest, ...ancestors] = lineage;
  if (manifest?.kind !== "template") throw bad("contains no template");
  checkLineage(lineage, bad);
  const signature = await checkedSignature(records, manifest, signatures.get(0), bad);
  for (const one of lineage) await records.check(one);
  const already = await isHere(store, manifest);
  if (!already) {
    for (const disk of manifest.disks) await take(store, disk, join(work, disk.name), options.signal, bad);
    await store.publish(manifest);
  }
  await records.put(manifest, signatures.get(0) ?? false);
  for (const [i, ancestor] of ancestors.entries())
    await records.put(ancestor, signatures.get(i + 1) ?? false);
  if (revoked) await records.revoke(manifest.name, manifest.version, revoked);
  return { manifest, signature, already };
}

interface Unpacked {
  readonly lineage: Manifest[];
  readonly signatures: Map<number, string>;
  revoked?: Revocation;
}

/** Reads the archive to its end and writes its disks into files in `work`. If the version is already here, it reads only the start. */
async function unpack(
  store: Store,
  file: string,
  work: string,
  { signal, progress }: ExportOptions,
  bad: (what: string) => TbuildError,
): Promise<Unpacked> {
  const found: Unpacked = { lineage: [], signatures: new Map() };
  const { size } = await stat(file);
  let pieces: Pieces | undefined;
  let read = 0;
  try {
    for await (const entry of tarEntries(createReadStream(file))) {
      checkInterrupted(signal);
      if (entry.type !== "file") throw bad(`contains a ${entry.type}, ${entry.name}`);
      read += entry.size;
      progress?.(Math.min(read, size), size);
      if (!entry.name.startsWith("disks/")) {
        await keepText(found, entry, file, bad);
        continue;
      }
      const manifest = found.lineage[0];
      if (!manifest) throw bad("its manifest is missing before its disks");
      if (await isHere(store, manifest)) break;
      const [, name, offset] = /^disks\/([\w-]+)\/(\d{1,15})\.gz$/.exec(entry.name) ?? [];
      const disk = manifest.disks.find((one) => one.name === name);
      if (!disk) throw bad(`contains ${entry.name}, which is not in its manifest`);
      if (pieces?.disk !== disk) {
        await pieces?.close();
        pieces = await piecesOf(disk, join(work, disk.name));
      }
      await pieces.put(Number(offset), await bytesOf(entry, 2 * pieceBytes), bad);
    }
  } finally {
    await pieces?.close();
  }
  return found;
}

async function keepText(
  found: Unpacked,
  entry: TarEntry,
  file: string,
  bad: (what: string) => TbuildError,
): Promise<void> {
  const [, index, signature] = /^manifests\/(\d{1,4})\.json(\.sig)?$/.exec(entry.name) ?? [];
  const text = (await bytesOf(entry, index === undefined ? 65_536 : mostManifestBytes)).toString();
  if (entry.name === "tbuild-export.json") {
    const { revoked } = Head.parse(JSON.parse(text));
    if (revoked) found.revoked = revoked;
  } else if (index === undefined) throw bad(`contains ${entry.name}, which does not belong there`);
  else if (signature !== undefined) found.signatures.set(Number(index), text);
  else if (Number(index) !== found.lineage.length) throw bad("its manifests are in the wrong order");
  else {
    const manifest = readManifest(`${file}: ${entry.name}`, text);
    const huge = manifest.disks.find(({ bytes }) => bytes > mostDiskBytes);
    if (huge) throw bad(`says that disk ${huge.name} has ${huge.bytes} bytes`);
    found.lineage.push(manifest);
  }
}

async function isHere(store: Store, manifest: Manifest): Promise<boolean> {
  const { kind, name, version } = manifest;
  const there = await store.find(kind, { name, version });
  return there !== undefined && manifestDigest(there) === manifestDigest(manifest);
}

// The digest proves that this is the parent that the template names.
function checkLineage(lineage: readonly Manifest[], bad: (what: string) => TbuildError): void {
  for (const [i, ancestor] of lineage.slice(1).entries())
    if (lineage[i]?.parent !== manifestDigest(ancestor))
      throw bad(`${ancestor.kind} ${ancestor.name}@${ancestor.version} is not its parent`);
}

async function checkedSignature(
  records: Records,
  manifest: Manifest,
  text: string | undefined,
  bad: (what: string) => TbuildError,
): Promise<Signature> {
  if (text === undefined) return { state: "unsigned" };
  const signature = await records.signature(manifest, text);
  if (signature.state === "bad") throw bad(`its signature is bad: ${signature.why}`);
  return signature;
}

async function take(
  store: Store,
  disk: StoredDisk,
  image: string,
  signal: AbortSignal,
  bad: (what: string) => TbuildError,
): Promise<void> {
  // A disk with only zeros has no pieces.
  await (await open(image, "a")).close();
  await truncate(image, disk.bytes);
  const stored = await store.putDisk(image, disk.name, signal);
  if (stored.digest !== disk.digest) throw bad(`disk ${disk.name} does not match its digest`);
}

interface Pieces {
  readonly disk: StoredDisk;
  put(offset: number, packed: Buffer, bad: (what: string) => TbuildError): Promise<void>;
  close(): Promise<void>;
}

async function piecesOf(disk: StoredDisk, file: string): Promise<Pieces> {
  const handle = await open(file, "w");
  await handle.truncate(disk.bytes);
  let end = 0;
  return {
    disk,
    async put(offset, packed, bad) {
      const data = await promisify(gunzip)(packed, { maxOutputLength: pieceBytes });
      if (offset < end || offset + data.length > disk.bytes)
        throw bad(`a piece of disk ${disk.name} at ${offset} is out of place`);
      end = offset + data.length;
      await writeAll(handle, data, offset);
    },
    close: () => handle.close(),
  };
}

async function bytesOf(entry: TarEntry, most: number): Promise<Buffer> {
  if (entry.size > most) throw new Error(`${entry.name} is larger than possible`);
  const parts: Uint8Array[] = [];
  for await (const part of entry.body) parts.push(part);
  return Buffer.concat(parts);
}

type Put = (name: string, data: Uint8Array) => Promise<void>;

function writer(handle: FileHandle): Put {
  return async (name, data) => {
    for (const part of [await tarHeader(name, data.length), data, tarPadding(data.length)])
      await writeAll(handle, part);
  };
}

async function putDisk(
  store: Store,
  disk: StoredDisk,
  put: Put,
  { signal, progress }: ExportOptions,
): Promise<void> {
  const packing: { offset: number; packed: Promise<Buffer> }[] = [];
  const writeFirst = async () => {
    const first = packing.shift();
    if (first) await put(`disks/${disk.name}/${first.offset}.gz`, await first.packed);
  };
  let done = 0;
  for await (const { offset, data } of piecesIn(store, disk, signal)) {
    const packed = promisify(gzip)(data, { level: 1 });
    // The first failure is thrown when its piece is written. Until then, other failures must not end the
    // process.
    packed.catch(() => {});
    packing.push({ offset, packed });
    if (packing.length >= sideBySide) await writeFirst();
    done += data.length;
    progress?.(done, disk.dataBytes);
  }
  while (packing.length > 0) await writeFirst();
}

/** The store's data in pieces of a fixed size: its chunks may be small. */
async function* piecesIn(
  store: Store,
  disk: StoredDisk,
  signal: AbortSignal,
): AsyncGenerator<{ offset: number; data: Buffer }> {
  let offset = 0;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const { start, data } of store.readDisk(disk, signal)) {
    for (let at = 0; data && at < data.length; ) {
      if (bytes > 0 && offset + bytes !== start + at) {
        yield { offset, data: Buffer.concat(parts) };
        [parts, bytes] = [[], 0];
      }
      if (bytes === 0) offset = start + at;
      const part = data.subarray(at, at + pieceBytes - bytes);
      parts.push(part);
      bytes += part.length;
      at += part.length;
      if (bytes < pieceBytes) continue;
      yield { offset, data: Buffer.concat(parts) };
      [parts, bytes] = [[], 0];
    }
  }
  if (bytes > 0) yield { offset, data: Buffer.concat(parts) };
}
