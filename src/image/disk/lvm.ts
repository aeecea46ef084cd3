import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Partition } from "./partitions.ts";

/** The logical volumes of a volume group, by arithmetic without device-mapper. Offsets count from the disk's start. */
export async function logicalVolumes(physicals: readonly PhysicalVolume[]): Promise<LogicalVolume[]> {
  const groups = new Map<string, { metadata: Section; places: Map<string, number> }>();
  for (const { reader, offset } of physicals) {
    const { id, text } = await readPhysical(reader);
    const metadata = parseLvm(text);
    const group = groups.get(groupOf(metadata).name) ?? { metadata, places: new Map() };
    group.places.set(id, offset);
    groups.set(groupOf(metadata).name, group);
  }
  return [...groups.values()].flatMap(({ metadata, places }) => volumesOfGroup(metadata, places));
}

/** The free extents of a group on this disk, or why they are unknown. */
export interface FreeExtents {
  readonly group: string;
  readonly pieces: readonly Piece[];
  readonly unknown?: string;
}

/** The free extents of each group. Throws if the metadata of one cannot be read. */
export async function freeExtents(physicals: readonly PhysicalVolume[]): Promise<FreeExtents[]> {
  const groups = new Map<string, { texts: Set<string>; members: Map<string, PhysicalVolume> }>();
  for (const physical of physicals) {
    const { id, text } = await readPhysical(physical.reader);
    const { name } = groupOf(parseLvm(text));
    const group = groups.get(name) ?? { texts: new Set(), members: new Map() };
    group.texts.add(text);
    // Two with the same id are copies, and it is unknown which one is in use.
    if (group.members.has(id)) group.texts.add("");
    group.members.set(id, physical);
    groups.set(name, group);
  }
  return [...groups].map(([group, { texts, members }]) => {
    const [text = ""] = texts;
    if (texts.size > 1)
      return { group, pieces: [], unknown: "its physical volumes disagree about used extents" };
    return { group, ...freeOfGroup(parseLvm(text), members) };
  });
}

function freeOfGroup(
  metadata: Section,
  members: ReadonlyMap<string, PhysicalVolume>,
): Omit<FreeExtents, "group"> {
  const { content } = groupOf(metadata);
  const unknown = (why: string) => ({ pieces: [], unknown: why });
  const status = Array.isArray(content.status) ? content.status : [];
  if (status.includes("EXPORTED")) return unknown("it is exported");
  if (status.includes("CLUSTERED") || (content.lock_type !== undefined && content.lock_type !== "none"))
    return unknown("other machines share it");
  const extent = Number(content.extent_size) * 512;
  const physicals = sectionsOf(content.physical_volumes);
  const used = usedExtents(content);
  if (!used) return unknown("its metadata has invalid numbers");
  const pieces: Piece[] = [];
  for (const [key, { id, pe_start: start, pe_count: count }] of physicals) {
    const member =
      physicals.length === 1 ? [...members.values()][0] : members.get(String(id).replaceAll("-", ""));
    if (!member) continue;
    const [first, total] = [Number(start) * 512, Number(count)];
    if (!(extent > 0 && first > 0 && total >= 0 && first + total * extent <= member.reader.bytes))
      return unknown("its metadata has invalid numbers");
    let free = 0;
    const runs = [...(used.get(key) ?? []), [total, 0] as const].sort(([one], [other]) => one - other);
    for (const [from, length] of runs) {
      if (from > free)
        pieces.push({ offset: member.offset + first + free * extent, bytes: (from - free) * extent });
      free = Math.max(free, from + length);
    }
  }
  return { pieces };
}

// By physical volume. Every list in a segment that names one counts, for all kinds of segments and for hidden
// volumes, too.
function usedExtents(content: Section): Map<string, [first: number, count: number][]> | undefined {
  const physicals = new Set(sectionsOf(content.physical_volumes).map(([key]) => key));
  const used = new Map<string, [number, number][]>();
  for (const [, volume] of sectionsOf(content.logical_volumes))
    for (const segment of segmentsOf(volume)) {
      const count = Number(segment.extent_count);
      const stripes = segment.type === "striped" ? Number(segment.stripe_count) : 1;
      if (!(count > 0 && stripes > 0)) return undefined;
      for (const list of Object.values(segment).filter(Array.isArray) as string[][])
        for (const [index, key] of list.entries()) {
          if (!physicals.has(key)) continue;
          const first = Number(list[index + 1]);
          if (!Number.isSafeInteger(first) || first < 0) return undefined;
          const runs = used.get(key) ?? [];
          runs.push([first, Math.ceil(count / stripes)]);
          used.set(key, runs);
        }
    }
  return used;
}

export interface PhysicalVolume {
  readonly name: string;
  readonly reader: Reader;
  /** Its offset on the disk. */
  readonly offset: number;
}

/** Its name: volume group, `/`, logical volume. */
export interface LogicalVolume extends Partition {
  /** Its ranges, if there are several. */
  readonly pieces?: readonly Piece[];
  /** Why it cannot be opened by arithmetic. */
  readonly refused?: string;
}

export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

type Section = { readonly [name: string]: string | readonly string[] | Section };

/** LVM's own text format: `name { … }`, `key = value`, `key = [ … ]`. */
export function parseLvm(source: string): Section {
  const words: readonly string[] =
    source.replaceAll(/#.*$/gm, "").match(/"(?:[^"\\]|\\.)*"|[{}[\]=,]|[^\s{}[\]=,"]+/g) ?? [];
  let at = 0;
  const plain = (word: string) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, "$1") : word;

  function section(depth = 0): Section {
    if (depth > 32) throw new TbuildError("integrity", "LVM metadata: sections are nested too deeply");
    const found: Record<string, Section[string]> = {};
    while (at < words.length && words[at] !== "}") {
      const name = words[at++] ?? "";
      const sign = words[at++];
      if (sign === "{") found[name] = section(depth + 1);
      else if (sign === "=") found[name] = words[at] === "[" ? list() : plain(words[at++] ?? "");
      else throw new TbuildError("integrity", `LVM metadata: "${sign}" after "${name}"`);
    }
    at++;
    return found;
  }

  function list(): string[] {
    const end = words.indexOf("]", at);
    if (end < 0) throw new TbuildError("integrity", "LVM metadata: a list does not end");
    const items = words
      .slice(at + 1, end)
      .filter((word) => word !== ",")
      .map(plain);
    at = end + 1;
    return items;
  }

  return section();
}

function groupOf(metadata: Section): { name: string; content: Section } {
  const [name, content] = Object.entries(metadata).find(([, value]) => isSection(value)) ?? [];
  if (name === undefined || !isSection(content))
    throw new TbuildError("integrity", "LVM metadata: no volume group");
  return { name, content };
}

/** The visible volumes of a group. `places` has the offset of each physical volume on this disk, by id. */
export function volumesOfGroup(metadata: Section, places: ReadonlyMap<string, number>): LogicalVolume[] {
  const { name: group, content } = groupOf(metadata);
  const extent = Number(content.extent_size) * 512;
  const physicals = sectionsOf(content.physical_volumes);
  // A cloned disk may have another id in its label than in its metadata. With one volume there is no doubt.
  const only = physicals.length === 1 ? [...places.values()][0] : undefined;
  const starts = new Map(
    physicals.flatMap(([key, { id, pe_start: start }]) => {
      const place = only ?? places.get(String(id).replaceAll("-", ""));
      return place === undefined ? [] : [[key, place + Number(start) * 512] as const];
    }),
  );
  const volumes = sectionsOf(content.logical_volumes);
  const origins = volumes.flatMap(([, volume]) =>
    segmentsOf(volume).flatMap(({ type, origin }) => (type === "snapshot" ? [origin] : [])),
  );
  return volumes.flatMap(([logical, volume]) => {
    if (Array.isArray(volume.status) && !volume.status.includes("VISIBLE")) return [];
    const name = `${group}/${logical}`;
    const segments = segmentsOf(volume);
    const bytes = segments.reduce((sum, segment) => sum + Number(segment.extent_count) * extent, 0);
    const refused = origins.includes(logical) ? "has a snapshot" : whyNotLinear(segments, starts);
    if (refused !== undefined) return { name, offset: 0, bytes, refused };
    const pieces = segments.map((segment) => pieceOf(segment, starts, extent));
    const isSane = pieces.every(
      ({ offset, bytes }) => offset >= 0 && bytes > 0 && Number.isSafeInteger(offset + bytes),
    );
    if (!isSane) return { name, offset: 0, bytes: 0, refused: "has invalid numbers in the LVM metadata" };
    return { name, ...joined(pieces) };
  });
}

function whyNotLinear(segments: readonly Section[], starts: ReadonlyMap<string, number>): string | undefined {
  if (segments.length === 0) return "has no segment in the LVM metadata";
  for (const { type, stripe_count: count, stripes } of segments) {
    const [physical = ""] = Array.isArray(stripes) ? stripes : [];
    if (type !== "striped") return `is of the type "${String(type)}"`;
    if (count !== "1") return `is striped over ${String(count)} volumes`;
    if (!starts.has(physical)) return "is on another disk, at least in part";
  }
  return undefined;
}

function pieceOf(segment: Section, starts: ReadonlyMap<string, number>, extent: number): Piece {
  const [physical = "", first] = segment.stripes as readonly string[];
  return {
    offset: (starts.get(physical) ?? 0) + Number(first) * extent,
    bytes: Number(segment.extent_count) * extent,
  };
}

function joined(pieces: readonly Piece[]): Omit<LogicalVolume, "name"> {
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last && last.offset + last.bytes === piece.offset)
      merged.splice(-1, 1, { offset: last.offset, bytes: last.bytes + piece.bytes });
    else merged.push(piece);
  }
  const bytes = merged.reduce((sum, piece) => sum + piece.bytes, 0);
  return { offset: merged[0]?.offset ?? 0, bytes, ...(merged.length > 1 && { pieces: merged }) };
}

// In the order of the volume's own extents.
function segmentsOf(volume: Section): Section[] {
  return sectionsOf(volume)
    .filter(([key]) => /^segment\d+$/.test(key))
    .map(([, segment]) => segment)
    .sort((one, other) => Number(one.start_extent) - Number(other.start_extent));
}

const physicalLabel = "LABELONE";
/** Offset in struct label_header (LVM2, lib/label/label.h): where the header of the physical volume is, after the label. */
const headerOffsetAt = 20;
/** In struct pv_header (lib/format_text/layout.h): the id, the size of the volume, then two lists of `disk_locn`. */
const physical = { idBytes: 32, listsAt: 40, locationBytes: 16 } as const;
/** Offsets in struct mda_header, whose text is in a ring. */
const areaAt = { magic: 4, size: 32, textOffset: 40, textSize: 48 } as const;
const areaMagic = " LVM2 x[5A%r0N*>";
const areaHeaderBytes = 512;
const mostTextBytes = 64 << 20;

/** The place of the label of an LVM2 physical volume, in one of its first four sectors. */
export function physicalLabelIn(head: Buffer): number | undefined {
  return [0, 512, 1024, 1536].find(
    (at) => head.toString("latin1", at, at + physicalLabel.length) === physicalLabel,
  );
}

// Label → header of the physical volume → metadata area → the newest text in its ring.
async function readPhysical(volume: Reader): Promise<{ id: string; text: string }> {
  const head = Buffer.from(await volume.read(0, 4096));
  const label = physicalLabelIn(head);
  if (label === undefined) throw new TbuildError("integrity", "LVM: no label");
  let at = label + head.readUInt32LE(label + headerOffsetAt);
  if (at + physical.listsAt > 4000) throw new TbuildError("integrity", "LVM: damaged label");
  const id = head.toString("latin1", at, at + physical.idBytes);
  at += physical.listsAt;
  // The first list, of the data, ends with an empty location. The second has the metadata.
  while (at < 4000 && head.readBigUInt64LE(at) !== 0n) at += physical.locationBytes;
  at += physical.locationBytes;
  const area = Number(head.readBigUInt64LE(at));
  if (area === 0) throw new TbuildError("environment", "LVM: no metadata on this physical volume");
  const header = Buffer.from(await volume.read(area, areaHeaderBytes));
  if (header.toString("latin1", areaAt.magic, areaAt.magic + areaMagic.length) !== areaMagic)
    throw new TbuildError("integrity", "LVM: damaged metadata");
  const ring = Number(header.readBigUInt64LE(areaAt.size));
  const offset = Number(header.readBigUInt64LE(areaAt.textOffset));
  const size = Number(header.readBigUInt64LE(areaAt.textSize));
  // The text may wrap at the end of the ring buffer. It continues after the header.
  if (offset < areaHeaderBytes || offset >= ring || size > ring || size > mostTextBytes)
    throw new TbuildError("integrity", "LVM: damaged metadata");
  const first = Math.min(size, ring - offset);
  const parts = [await volume.read(area + offset, first)];
  if (first < size) parts.push(await volume.read(area + areaHeaderBytes, size - first));
  return { id, text: Buffer.concat(parts).toString("utf8").replace(/\0.*$/s, "") };
}

function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function sectionsOf(value: unknown): [string, Section][] {
  if (!isSection(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    isSection(inner) ? [[name, inner] as [string, Section]] : [],
  );
}
