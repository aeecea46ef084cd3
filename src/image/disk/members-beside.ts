import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { readImageFile } from "../file/image-file.ts";
import { insideOf, placesOf, tableOf } from "./disk.ts";
import { mdMember } from "./md.ts";
import type { MdPart, MemberElsewhere } from "./md-arrays.ts";

/**
 * The members of an array (MD) in the other image files of an image's folder: the disks of a machine are
 * usually together.
 */
export async function membersBeside(image: string, array: string): Promise<MemberElsewhere[]> {
  const folder = dirname(image);
  const found: MdPart[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = join(folder, entry.name);
    if (entry.isFile() && file !== image) found.push(...(await membersIn(file)));
  }
  return found
    .filter(({ member }) => member.array === array)
    .map(({ place, member }) => ({ name: place.name, role: member.role }))
    .sort((one, other) => (one.role ?? 0) - (other.role ?? 0));
}

/** Those of `candidates` in which an array (MD) has members that has some in `image`, too. */
export async function imagesOfArrays(image: string, candidates: readonly string[]): Promise<string[]> {
  const others = candidates.filter((file) => file !== image);
  const arrays = others.length === 0 ? [] : (await membersIn(image)).map(({ member }) => member.array);
  const found: string[] = [];
  for (const file of arrays.length === 0 ? [] : others)
    if ((await membersIn(file)).some(({ member }) => arrays.includes(member.array))) found.push(file);
  return found;
}

/** The members of arrays (MD) in an image file; none if it is not a disk image. */
export async function membersIn(file: string): Promise<MdPart[]> {
  try {
    await using disk = await readImageFile(file);
    const found: MdPart[] = [];
    for (const place of placesOf(disk, await tableOf(disk))) {
      if (place.offset + place.bytes > disk.bytes) continue;
      const member = await mdMember(insideOf(disk, place));
      const name = place.name === "disk" ? basename(file) : `${place.name} of ${basename(file)}`;
      if (member) found.push({ place: { ...place, fs: "unknown", name }, member, image: file });
    }
    return found;
  } catch (error) {
    if (error instanceof TbuildError) return [];
    throw error;
  }
}
