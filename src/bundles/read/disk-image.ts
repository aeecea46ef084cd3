import { stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { otherFormat } from "../../image/file/format.ts";
import { qcow2Header, qcow2Reader } from "../../image/file/qcow2.ts";
import { fileReader, windowOf } from "../../io/reader.ts";
import { fileSource, gunzipSource } from "./byte-source.ts";
import {
  diskFull,
  gunzippedParts,
  type Member,
  tooLarge,
  type UnpackOptions,
  writeSparse,
} from "./members.ts";
import { shown } from "./tar-entries.ts";

export type ImageKind = "raw" | "qcow2" | "vmdk" | "gzip";

/** The format in a file's first bytes. A known format that tbuild cannot read is a `usage` fault that names it. */
export async function imageKind(member: Member): Promise<ImageKind | undefined> {
  await using source = await fileSource(member.file, member);
  const head = Buffer.alloc(36 * 1024);
  head.set(await source.read(head.length));
  const tail = await lastSector(member);
  if (member.bytes === 0)
    throw new TbuildError("integrity", "is empty", {
      subject: shown(member.name),
      hint: "Copy the image again.",
    });
  const at = (offset: number, text: string) => head.toString("latin1", offset, offset + text.length) === text;
  if (at(0, "QFI\xfb")) return "qcow2";
  if (at(0, "KDMV")) return "vmdk";
  if (at(0, "\x1f\x8b")) return "gzip";
  const other = otherFormat(head, tail);
  if (other)
    throw new TbuildError("usage", `is ${other.name}, which is not imported`, {
      subject: shown(member.name),
      hint: other.hint(member.name),
    });
  return diskMarks.some(([offset, text]) => at(offset, text)) ? "raw" : undefined;
}

async function lastSector(member: Member): Promise<Buffer> {
  const bytes = Math.min(512, member.bytes);
  await using source = await fileSource(member.file, { offset: member.offset + member.bytes - bytes, bytes });
  return Buffer.from(await source.read(bytes));
}

/**
 * A disk as a raw image, in a new file below `work` unless it is raw already. `capacity` is the size in bytes that a
 * description states. A larger disk is refused.
 */
export async function rawDisk(
  host: Runner,
  member: Member,
  work: string,
  capacity: number | undefined,
  options: UnpackOptions,
): Promise<string> {
  const kind = (await imageKind(member)) ?? "raw";
  if (kind === "gzip") {
    // With its tables and markers, a packed disk can be slightly larger than the disk.
    const most = Math.min(options.mostBytes, capacity === undefined ? Infinity : capacity * 1.1 + (1 << 20));
    const inner = await gunzipped(member, join(work, `gunzipped-${unique()}`), most, options);
    if ((await imageKind(inner)) === "gzip")
      throw new TbuildError("integrity", "is compressed twice with gzip", { subject: shown(member.name) });
    return rawDisk(host, inner, work, capacity, options);
  }
  const bytes = kind === "raw" ? member.bytes : await virtualBytes(host, member, kind, options);
  if (bytes > options.mostBytes) throw tooLarge(`${shown(member.name)}: the disk`, bytes, options);
  if (bytes === 0 || bytes % 512 !== 0)
    throw new TbuildError("integrity", `${bytes} bytes are not a whole number of sectors`, {
      subject: shown(member.name),
    });
  if (capacity !== undefined && bytes > capacity)
    throw new TbuildError("integrity", `the disk has ${bytes} bytes, but its descriptor says ${capacity}`, {
      subject: shown(member.name),
    });
  if (kind === "raw" && member.offset === 0 && (await stat(member.file)).size === bytes) return member.file;
  const to = join(work, `disk-${unique()}.img`);
  options.progress?.(`unpacking ${member.name}`);
  if (kind === "raw") await copied(member, to, options);
  else
    await host
      .run(["qemu-img", "convert", "-O", "raw", driverOf(member, kind), to], signalOf(options))
      .catch((error) => {
        const isFull = error instanceof TbuildError && error.code === "disk-full";
        throw isFull ? diskFull(to, error) : damaged(member)(error);
      });
  return to;
}

let made = 0;
function unique(): number {
  return ++made;
}

/** The virtual size of an image, after checking that its header names no other file. */
async function virtualBytes(host: Runner, member: Member, kind: "qcow2" | "vmdk", options: UnpackOptions) {
  await (kind === "qcow2" ? refuseQcow2(member) : refuseVmdk(member));
  const info = await host
    .run(["qemu-img", "info", "--output=json", driverOf(member, kind)], signalOf(options))
    .catch(damaged(member));
  return Number((JSON.parse(info.stdout) as { "virtual-size": number })["virtual-size"]);
}

// The driver is named, so that qemu never guesses it from what the image holds; `backing: null`, so that it opens
// nothing else whatever the image says.
function driverOf(member: Member, kind: "qcow2" | "vmdk"): string {
  const file = { driver: "file", filename: member.file, "read-only": true };
  // qemu counts in sectors, and an image may end within one: the rest of that sector is the archive's padding.
  const range = { driver: "raw", offset: member.offset, size: Math.ceil(member.bytes / 512) * 512, file };
  return `json:${JSON.stringify({ driver: kind, backing: null, file: range })}`;
}

/** A qcow2 can name a backing file and a data file anywhere on this machine. Other features that no access method supports are refused too. */
async function refuseQcow2(member: Member): Promise<void> {
  await using file = await fileReader(member.file);
  const [name, bytes] = [member.name, windowOf(file, member.offset, member.bytes)];
  const header = await qcow2Header(name, bytes);
  if (header.backing !== undefined) throw refuser(member)("needs a backing file");
  // Throws if the file ends before its clusters.
  await qcow2Reader(name, bytes, header, undefined);
}

/** Offsets in the header of a sparse extent (VMware's Virtual Disk Format 5.0, "Hosted Sparse Extent Header"), in sectors. */
const vmdkAt = { capacity: 12, descriptor: 28, descriptorSectors: 36 } as const;
const vmdkSector = 512;

/** A VMDK can name flat files and a parent anywhere on this machine. */
async function refuseVmdk(member: Member): Promise<void> {
  await using source = await fileSource(member.file, member);
  const head = Buffer.alloc(vmdkSector);
  head.set(await source.read(head.length));
  const sectors = (offset: number) => Number(head.readBigUInt64LE(offset));
  const refuse = refuser(member);
  // All of a VMDK is in whole sectors.
  if (member.bytes % vmdkSector !== 0) throw refuse("is damaged: it ends within a sector");
  const at = sectors(vmdkAt.descriptor) * vmdkSector;
  const length = sectors(vmdkAt.descriptorSectors) * vmdkSector;
  // With a capacity of 0, qemu reads all extents from the descriptor.
  if (sectors(vmdkAt.capacity) === 0) throw refuse("holds no disk");
  if (length > 1 << 20 || at + length > member.bytes) throw refuse("has a damaged header");
  await source.skip(at - vmdkSector);
  const descriptor = Buffer.from(await source.read(length)).toString("latin1");
  const value = (key: string) =>
    new RegExp(`^\\s*${key}\\s*=\\s*"?([^"\\r\\n]*)"?\\s*$`, "m").exec(descriptor)?.[1];
  const type = value("createType");
  if (type !== undefined && !["monolithicSparse", "streamOptimized"].includes(type))
    throw refuse(`stores its data in other files (${shown(type)})`);
  if (descriptor.includes("parentFileNameHint") || !/^(?:f{8})?$/i.test(value("parentCID") ?? ""))
    throw refuse("contains only the differences to another disk");
  if ((descriptor.match(/^\s*(?:RW|RDONLY|NOACCESS)\s/gm) ?? []).length > 1)
    throw refuse("stores its data in several files");
}

function refuser(member: Member): (why: string) => TbuildError {
  return (why) =>
    new TbuildError("integrity", why, {
      subject: shown(member.name),
      hint: "Convert it where it was made: qemu-img convert -O qcow2 …",
    });
}

async function gunzipped(member: Member, to: string, most: number, options: UnpackOptions): Promise<Member> {
  await using source = gunzipSource(shown(member.name), member.file, member);
  const tooMuch = () =>
    new TbuildError("integrity", `exceeds the limit of ${Math.floor(most)} bytes`, {
      subject: shown(member.name),
      hint: "The disk is larger than its descriptor says, or --max-size is too small.",
    });
  await writeSparse(to, undefined, gunzippedParts(source, tooMuch, most), {
    ...options,
    progress: (done) => options.progress?.(`unpacking ${member.name}`, done),
  });
  return { name: member.name, file: to, offset: 0, bytes: (await stat(to)).size };
}

async function copied(member: Member, to: string, options: UnpackOptions): Promise<void> {
  await using source = await fileSource(member.file, member);
  async function* parts() {
    for (let at = 0; ; ) {
      const data = await source.read(1 << 20);
      if (data.length === 0) return;
      yield { at, data };
      at += data.length;
    }
  }
  await writeSparse(to, member.bytes, parts(), {
    ...options,
    progress: (done) => options.progress?.(`unpacking ${member.name}`, done, member.bytes),
  });
}

function damaged(member: Member) {
  return (error: unknown): never => {
    if (!(error instanceof TbuildError) || error.exitCode === undefined) throw error;
    throw new TbuildError("integrity", "is damaged", {
      subject: shown(member.name),
      lines: error.said,
      hint: "Download it again, and compare its checksum.",
      cause: error,
    });
  };
}

function signalOf(options: UnpackOptions) {
  return options.signal ? { signal: options.signal } : {};
}

/** A partition table, or a file system or physical volume on the whole disk. */
const diskMarks: readonly (readonly [at: number, magic: string])[] = [
  [510, "\x55\xaa"],
  [512, "EFI PART"],
  [1080, "\x53\xef"],
  [0, "XFSB"],
  [512, "LABELONE"],
];
