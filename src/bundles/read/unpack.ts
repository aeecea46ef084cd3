import { createHash } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { layoutOf } from "../../image/disk/disk.ts";
import { readImageFile, requireFile } from "../../image/file/image-file.ts";
import { asDigest, type Digest } from "../../model/digest.ts";
import { fileSource, type Packing, packingOf, unpackedSource } from "./byte-source.ts";
import type { Contents } from "./contents.ts";
import { imageKind, rawDisk } from "./disk-image.ts";
import {
  type Member,
  membersBeside,
  membersOf,
  shownFile,
  type UnpackOptions,
  withoutLeftovers,
} from "./members.ts";
import { digestOfParts, partsIn, partsOf } from "./parts.ts";
import { unpackOva } from "./unpack-ova.ts";
import { unpackOvmTgz } from "./unpack-ovm-tgz.ts";
import { isZip, zipMembers } from "./zip.ts";

export interface Unpacked extends Contents {
  readonly kind: "ovm-tgz" | "ova" | "image";
  /** The digest of the imported file, or of the list of its parts'; for an unpacked folder, of its descriptor or vm.cfg. */
  readonly digest: Digest;
}

/**
 * Unpacks a template (.tgz, .ova, compressed or in a zip, or already unpacked) or an image. The contents decide what it is, not the
 * name. Nothing is run or trusted: names never become paths, links and devices are refused, sizes are limited, checksums are
 * compared. Files are written only below `work`, which the caller removes.
 */
export async function unpackTemplate(
  host: Runner,
  file: string,
  work: string,
  options: UnpackOptions,
): Promise<Unpacked> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isDirectory()) await requireFile(file);
  if (!found) throw new TbuildError("usage", "there is no such file", { subject: shownFile(file) });
  if (found.isDirectory() && (await stat(join(file, "vm.cfg")).catch(() => undefined))?.isFile()) {
    const config = join(file, "vm.cfg");
    const contents = await unpackOvmTgz(host, await membersBeside(config), work, options);
    return { kind: "ovm-tgz", digest: await digestOf(config, options), ...contents };
  }
  const parts = found.isDirectory() ? await partsIn(file) : await partsOf(file);
  if (found.isDirectory() ? parts.length > 0 : parts.length > 1) {
    const members: Member[] = [];
    for (const [number, part] of parts.entries())
      members.push(...(await membersOfPart(part, number, work, options)));
    const contents = await unpackOvmTgz(host, members, work, options);
    const digests: Digest[] = [];
    for (const part of parts) digests.push(await digestOf(part, options));
    return { kind: "ovm-tgz", digest: digestOfParts(digests), ...contents };
  }
  if (found.isDirectory() || /\.ovf$/i.test(file)) {
    const { descriptor, members } = await unpackedOva(file, found.isDirectory());
    const contents = await unpackOva(host, members, work, options);
    return { kind: "ova", digest: await digestOf(descriptor, options), ...contents };
  }
  const whole: Member = { name: basename(file), file, offset: 0, bytes: found.size };
  const archive = await archiveKind(whole);
  if (!archive) return { kind: "image", ...(await unpackImage(host, whole, work, options)) };
  const members = archive.isZip
    ? withoutLeftovers(
        await zipMembers(shownFile(file), file, (number) => join(work, `member-${number}`), options),
      )
    : await membersOf(file, archive.packing, work, options);
  const has = (pattern: RegExp) => members.some((member) => pattern.test(member.name));
  const digest = await digestOf(file, options);
  if (has(/\.ovf$/i)) return { kind: "ova", digest, ...(await unpackOva(host, members, work, options)) };
  if (has(/(?:^|\/)vm\.cfg$/))
    return { kind: "ovm-tgz", digest, ...(await unpackOvmTgz(host, members, work, options)) };
  throw new TbuildError("integrity", "contains neither a vm.cfg nor an .ovf", {
    subject: shownFile(file),
    hint: "It is not a template. If it contains an image, unpack it and import the image.",
  });
}

async function membersOfPart(
  part: string,
  number: number,
  work: string,
  options: UnpackOptions,
): Promise<readonly Member[]> {
  const whole: Member = { name: basename(part), file: part, offset: 0, bytes: await requireFile(part) };
  const archive = await archiveKind(whole);
  if (!archive || archive.isZip)
    throw new TbuildError("integrity", "is not a tar, compressed or not", { subject: shownFile(part) });
  const folder = join(work, `part-${number}`);
  await mkdir(folder);
  return membersOf(part, archive.packing, folder, options);
}

/** Throws if a file is, by its first bytes, neither an archive nor a disk image. */
export async function proveTemplateFile(file: string): Promise<void> {
  const whole: Member = { name: basename(file), file, offset: 0, bytes: await requireFile(file) };
  if (!(await archiveKind(whole)) && (await imageKind(whole)) === undefined) throw await noTemplate(whole);
}

async function noTemplate({ file }: Member): Promise<TbuildError> {
  const held = await heldBy(file);
  if (held !== undefined)
    return new TbuildError("guest", `contains no guest that tbuild can open: the disk ${held}`, {
      subject: shownFile(file),
      hint: "A template has an Oracle Linux guest whose root is not encrypted. Import the disk that has it.",
    });
  return new TbuildError("guest", "is neither a template nor a disk image", {
    subject: shownFile(file),
    hint: "Supported: .tgz, .ova and .zip of a template, tars compressed with xz, bzip2 or zstd, and raw, qcow2 and vmdk images, gzipped or not.",
  });
}

/** What a disk without a partition table is, if it is recognised; words that follow its name. */
async function heldBy(file: string): Promise<string | undefined> {
  await using disk = await readImageFile(file);
  const [whole] = (await layoutOf(disk)).volumes;
  if (whole === undefined) return undefined;
  const { fs, refused, holds } = whole;
  if (refused !== undefined) return refused;
  return holds === undefined && fs === "unknown" ? undefined : `holds ${holds ?? fs}`;
}

async function unpackImage(host: Runner, whole: Member, work: string, options: UnpackOptions) {
  const kind = await imageKind(whole);
  if (kind === undefined) throw await noTemplate(whole);
  const file = await rawDisk(host, whole, work, undefined, options);
  if (kind === "gzip" && !(await imageKind({ ...whole, file, bytes: (await stat(file)).size })))
    throw new TbuildError("guest", "its gzip data is not a disk image", { subject: shownFile(whole.file) });
  await refuseCutOff(file, whole);
  const digest = await digestOf(whole.file, options);
  return { said: {}, disks: [{ name: "System", file }], notes: [], digest };
}

// As for every other command, an incomplete copy is refused.
async function refuseCutOff(file: string, { file: given }: Member): Promise<void> {
  await using image = await readImageFile(file);
  const [cutOff] = (await layoutOf(image)).cutOff;
  if (cutOff !== undefined)
    throw new TbuildError("integrity", `is cut off: ${cutOff}`, {
      subject: shownFile(given),
      hint: "Copy the image again.",
    });
}

interface ArchiveKind {
  readonly isZip?: true;
  readonly packing?: Packing;
}

/** True for a zip, and for a tar, plain or compressed: it has a tar header in the right place. */
async function archiveKind(member: Member): Promise<ArchiveKind | undefined> {
  await using plain = await fileSource(member.file, member);
  const head = Buffer.from(await plain.read(512));
  if (isZip(head)) return { isZip: true };
  if (isTarHeader(head)) return {};
  const packing = packingOf(head);
  if (!packing) return undefined;
  await using inner = unpackedSource(shownFile(member.file), member.file, packing);
  return isTarHeader(Buffer.from(await inner.read(512))) ? { packing } : undefined;
}

function isTarHeader(head: Buffer): boolean {
  return head.length === 512 && head.toString("latin1", 257, 262) === "ustar";
}

async function unpackedOva(
  file: string,
  isFolder: boolean,
): Promise<{ descriptor: string; members: Member[] }> {
  const members = await membersBeside(isFolder ? join(file, "any") : file);
  const descriptors = members.filter((member) => /\.ovf$/i.test(member.name));
  const [first] = isFolder ? descriptors : descriptors.filter((member) => member.name === basename(file));
  if (!first)
    throw new TbuildError("usage", "contains neither an .ovf nor a vm.cfg", { subject: shownFile(file) });
  if (isFolder) return { descriptor: first.file, members };
  return {
    descriptor: join(dirname(file), first.name),
    members: members.filter((member) => member === first || !descriptors.includes(member)),
  };
}

async function digestOf(file: string, options: UnpackOptions): Promise<Digest> {
  const hash = createHash("sha256");
  await using source = await fileSource(file);
  const { size } = await stat(file);
  for (;;) {
    checkInterrupted(options.signal);
    const data = await source.read(4 << 20);
    if (data.length === 0) return asDigest(hash.digest("hex"));
    hash.update(data);
    options.progress?.(`reading ${basename(file)}`, source.position, size);
  }
}
