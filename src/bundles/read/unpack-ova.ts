import { stat, truncate } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { xmlText } from "../../io/read-xml.ts";
import { amount } from "../../io/units.ts";
import { writeFile } from "../../io/write-file.ts";
import { fileSource } from "./byte-source.ts";
import { type Checksum, checkSum, readChecksums } from "./checksums.ts";
import { type Contents, diskName, type UnpackedDisk } from "./contents.ts";
import { rawDisk } from "./disk-image.ts";
import {
  type Member,
  memberBytes,
  memberText,
  type Parts,
  tooLarge,
  type UnpackOptions,
  writeSparse,
} from "./members.ts";
import { type OvfDisk, readOvf } from "./read-ovf.ts";
import { shown } from "./tar-entries.ts";

const mostDescriptorBytes = 4 << 20;

/** An OVF package: a descriptor, checksums, and disks. */
export async function unpackOva(
  host: Runner,
  members: readonly Member[],
  work: string,
  options: UnpackOptions,
): Promise<Contents> {
  const descriptor = theOnly(members, /\.ovf$/i, "descriptor");
  const at = posix.dirname(descriptor.name);
  const package_ = packageOf(members, at === "." ? "" : `${at}/`);
  const what = basename(descriptor.name);
  const ovf = readOvf(what, xmlText(what, await memberBytes(descriptor, mostDescriptorBytes)));
  const { notes, proved } = await checkAll(package_, descriptor, options);
  const disks: UnpackedDisk[] = [];
  const taken = new Set<string>();
  let { mostBytes } = options;
  for (const { href, ...disk } of ovf.disks) {
    if (href === undefined) {
      const bytes = disk.capacity ?? 0;
      if (bytes > mostBytes) throw tooLarge(`${what}: a blank disk`, bytes, options);
      mostBytes -= bytes;
      notes.push(`a disk of ${bytes} bytes is blank`);
      disks.push({ name: diskName("blank", disks), file: await blankDisk(work, disks.length, bytes) });
      continue;
    }
    const member = await fileOf(package_, { ...disk, href }, work, options);
    if (disk.fileBytes !== undefined && disk.fileBytes !== member.bytes) {
      const words = `${shown(href)}: has ${member.bytes} bytes, and the OVF says ${disk.fileBytes}`;
      // Descriptors are edited by hand. A file shorter than stated is complete only if its checksum matches.
      if (member.bytes < disk.fileBytes && !proved.has(member)) throw new TbuildError("integrity", words);
      notes.push(words);
    }
    if (taken.has(member.name))
      throw new TbuildError("integrity", "is listed as two disks of the OVF", { subject: shown(href) });
    taken.add(member.name);
    const file = await rawDisk(host, member, work, disk.capacity, { ...options, mostBytes });
    const { size } = await stat(file);
    if (disk.capacity !== undefined && disk.capacity !== size)
      notes.push(`${shown(href)}: the disk has ${size} bytes, and the OVF says ${disk.capacity}`);
    mostBytes -= size;
    disks.push({ name: diskName(member.name, disks), file });
  }
  return { said: ovf, disks, notes: [...ovf.notes, ...notes, ...package_.notes] };
}

/** The whole disk is a hole. */
async function blankDisk(work: string, number: number, bytes: number): Promise<string> {
  const file = join(work, `blank-${number}.img`);
  await writeFile(file, "", { flag: "wx", mode: 0o600 });
  await truncate(file, bytes);
  return file;
}

/** The files of a package by the names in its descriptor and manifest. */
interface Package {
  readonly notes: string[];
  readonly members: readonly Member[];
  /** `undefined` if there is none. Snapshots and pieces are ordered by number. */
  find(name: string): Member | undefined;
  numbered(name: string): readonly Member[];
}

function packageOf(members: readonly Member[], folder: string): Package {
  const plain = (name: string) => members.find((member) => member.name === `${folder}${name}`);
  const numbered = (name: string) =>
    members
      .filter((member) => member.name.startsWith(`${folder}${name}.`) && /\.\d{9}$/.test(member.name))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { members, notes: [], numbered, find: (name) => plain(name) ?? plain(decoded(name)) };
}

/** Verifies all checksums in the package's manifest, and notes files that it does not list. */
async function checkAll(
  files: Package,
  descriptor: Member,
  options: UnpackOptions,
): Promise<{ readonly notes: string[]; readonly proved: ReadonlySet<Member> }> {
  const manifest = manifestFor(files, descriptor);
  if (!manifest)
    return { notes: ["it has no manifest, so its files could not be verified"], proved: new Set() };
  const sums = readChecksums(basename(manifest.name), await memberText(manifest, mostDescriptorBytes));
  const checked = new Set<Member>();
  const listed = new Set<string>();
  for (const sum of sums) {
    const line = `${sum.algorithm} ${sum.file}`;
    if (listed.has(line))
      throw new TbuildError("integrity", `lists ${shown(sum.file)} twice`, { subject: shown(manifest.name) });
    listed.add(line);
    const member = files.find(sum.file) ?? newest(files, sum);
    // No file can contain its own checksum.
    if (member === manifest) continue;
    if (!member)
      throw new TbuildError("integrity", `lists ${shown(sum.file)}, which is missing`, {
        subject: shown(manifest.name),
      });
    await checkSum(member, sum, options);
    checked.add(member);
  }
  const notes = files.members
    .filter((member) => /\.(?:ovf|vmdk|img|raw|qcow2|gz|\d{9})$/i.test(member.name) && !checked.has(member))
    .filter(
      (member) =>
        member === descriptor || !files.numbered(withoutNumber(member)).some((one) => checked.has(one)),
    )
    .map((member) => `its manifest has no sum of ${shown(member.name)}`);
  return { notes, proved: checked };
}

/** The manifest named like the descriptor; a single manifest may have another name. */
function manifestFor(files: Package, descriptor: Member): Member | undefined {
  const all = files.members.filter((member) => /\.mf$/i.test(member.name));
  const stem = descriptor.name.replace(/\.ovf$/i, "").toLowerCase();
  const own = all.find((member) => member.name.replace(/\.mf$/i, "").toLowerCase() === stem);
  if (own) return own;
  const [first, second] = all;
  if (second)
    throw new TbuildError(
      "integrity",
      "the archive contains several manifests, but none is named like its descriptor",
      {
        lines: all.map(({ name }) => shown(name)),
      },
    );
  return first;
}

function newest(files: Package, sum: Checksum): Member | undefined {
  return files.numbered(sum.file).at(-1);
}

function withoutNumber(member: Member): string {
  return basename(member.name).replace(/\.\d{9}$/, "");
}

/** The file of a disk: the named file, joined pieces, or the newest snapshot. */
async function fileOf(
  files: Package,
  disk: OvfDisk & { readonly href: string },
  work: string,
  options: UnpackOptions,
): Promise<Member> {
  const { href } = disk;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(href))
    throw new TbuildError("integrity", "is remote; tbuild downloads nothing", { subject: shown(href) });
  if (href.startsWith("/") || href.split(/[/\\]/).includes("..") || /\p{Cc}/u.test(href))
    throw new TbuildError("integrity", "leads outside the archive", { subject: shown(href) });
  const pieces = files.numbered(href);
  if (disk.chunkBytes !== undefined && pieces.length > 0)
    return joined(
      href,
      pieces,
      disk.chunkBytes,
      join(work, `joined-${href.replaceAll(/\W/g, "-")}`),
      options,
    );
  const member = files.find(href);
  if (member) return member;
  const last = pieces.at(-1);
  if (!last) throw new TbuildError("integrity", "listed in the OVF, but missing", { subject: shown(href) });
  if (pieces.length > 1)
    files.notes.push(
      `${shown(href)} is not there; the newest of its ${amount(pieces.length, "snapshot")} was used`,
    );
  return last;
}

async function joined(
  href: string,
  pieces: readonly Member[],
  chunkBytes: number,
  to: string,
  options: UnpackOptions,
): Promise<Member> {
  for (const [index, piece] of pieces.entries()) {
    const number = String(index).padStart(9, "0");
    if (!piece.name.endsWith(`.${number}`))
      throw new TbuildError("integrity", `its piece ${number} is missing`, { subject: shown(href) });
    if (index < pieces.length - 1 ? piece.bytes !== chunkBytes : piece.bytes > chunkBytes)
      throw new TbuildError("integrity", `${piece.bytes} bytes, not ${chunkBytes}`, {
        subject: shown(piece.name),
      });
  }
  async function* parts(): Parts {
    let at = 0;
    for (const piece of pieces) {
      await using source = await fileSource(piece.file, piece);
      for (let data = await source.read(1 << 20); data.length > 0; data = await source.read(1 << 20)) {
        yield { at, data };
        at += data.length;
      }
    }
  }
  await writeSparse(to, undefined, parts(), options.signal ? { signal: options.signal } : {});
  return { name: href, file: to, offset: 0, bytes: pieces.reduce((sum, piece) => sum + piece.bytes, 0) };
}

function theOnly(members: readonly Member[], pattern: RegExp, what: string): Member {
  const [first, second] = members.filter((member) => pattern.test(member.name));
  if (first && !second) return first;
  throw new TbuildError("integrity", `the archive contains ${first ? "more than one" : "no"} ${what}`);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
