import { TbuildError } from "../errors.ts";
import type { Partition } from "./partitions.ts";
import type { Reader } from "./reader.ts";

/** The linear logical volumes of one physical volume, by arithmetic; no device-mapper is needed. */
export async function logicalVolumes(physical: Reader): Promise<Partition[]> {
  return linearVolumes(parseLvm(await metadataText(physical)));
}

type Section = { readonly [name: string]: string | readonly string[] | Section };

/** LVM's own text format: `name { … }`, `key = value`, `key = [ … ]`. */
export function parseLvm(source: string): Section {
  const words: readonly string[] =
    source.replaceAll(/#.*$/gm, "").match(/"(?:[^"\\]|\\.)*"|[{}[\]=,]|[^\s{}[\]=,"]+/g) ?? [];
  let at = 0;
  const plain = (word: string) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(.)/g, "$1") : word;

  function section(): Section {
    const found: Record<string, Section[string]> = {};
    while (at < words.length && words[at] !== "}") {
      const name = words[at++] ?? "";
      const sign = words[at++];
      if (sign === "{") found[name] = section();
      else if (sign === "=") found[name] = words[at] === "[" ? list() : plain(words[at++] ?? "");
      else throw new TbuildError("integrity", `LVM metadata: "${sign}" after "${name}"`);
    }
    at++;
    return found;
  }

  function list(): string[] {
    const end = words.indexOf("]", at);
    const items = words
      .slice(at + 1, end)
      .filter((word) => word !== ",")
      .map(plain);
    at = end + 1;
    return items;
  }

  return section();
}

/** Volume group name, `/` and volume name; what is not linear and in one piece is named and refused. */
export function linearVolumes(metadata: Section): Partition[] {
  const [group, content] = Object.entries(metadata).find(([, value]) => isSection(value)) ?? [];
  if (group === undefined || !isSection(content))
    throw new TbuildError("integrity", "LVM metadata: no volume group");
  const extent = Number(content.extent_size) * 512;
  const physical = sectionsOf(content.physical_volumes);
  if (physical.length > 1) throw refused(group, `is spread over ${physical.length} physical volumes`);
  const start = Number(physical[0]?.[1].pe_start) * 512;
  return sectionsOf(content.logical_volumes).map(([logical, volume]) => {
    const name = `${group}/${logical}`;
    const segments = sectionsOf(volume).filter(([key]) => key.startsWith("segment"));
    const [segment] = segments[0]?.slice(1) ?? [];
    if (!isSection(segment)) throw new TbuildError("integrity", `${name}: no segment in the LVM metadata`);
    if (segment.type !== "striped") throw refused(name, `is of the type "${String(segment.type)}"`);
    if (segment.stripe_count !== "1")
      throw refused(name, `is striped over ${String(segment.stripe_count)} volumes`);
    if (segments.length > 1) throw refused(name, `lies in ${segments.length} pieces`);
    const first = Number((segment.stripes as readonly string[] | undefined)?.[1]);
    return { name, offset: start + first * extent, bytes: Number(segment.extent_count) * extent };
  });
}

function refused(what: string, why: string): TbuildError {
  return new TbuildError("environment", `${what}: ${why}`, {
    hint: "Only linear logical volumes in one piece can be opened; change this guest online.",
  });
}

// Label → header of the physical volume → metadata area → the newest text in its ring.
async function metadataText(volume: Reader): Promise<string> {
  const head = Buffer.from(await volume.read(0, 4096));
  const label = [0, 512, 1024, 1536].find((at) => head.toString("latin1", at, at + 8) === "LABELONE");
  if (label === undefined) throw new TbuildError("integrity", "LVM: no label");
  let at = label + head.readUInt32LE(label + 20) + 40;
  while (head.readBigUInt64LE(at) !== 0n) at += 16;
  at += 16;
  const area = Number(head.readBigUInt64LE(at));
  if (area === 0) throw new TbuildError("environment", "LVM: no metadata on this physical volume");
  const header = Buffer.from(await volume.read(area, 512));
  if (header.toString("latin1", 4, 20) !== " LVM2 x[5A%r0N*>")
    throw new TbuildError("integrity", "LVM: damaged metadata");
  const ring = Number(header.readBigUInt64LE(32));
  const [offset, size] = [Number(header.readBigUInt64LE(40)), Number(header.readBigUInt64LE(48))];
  // The text may run over the end of the ring; it goes on behind the header.
  const first = Math.min(size, ring - offset);
  const parts = [await volume.read(area + offset, first)];
  if (first < size) parts.push(await volume.read(area + 512, size - first));
  return Buffer.concat(parts).toString("utf8").replace(/\0.*$/s, "");
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
