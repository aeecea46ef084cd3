import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { readImageFile } from "../file/image-file.ts";
import { insideOf, placesOf, tableOf } from "./disk.ts";
import { mdMember } from "./md.ts";
import type { MemberElsewhere } from "./md-arrays.ts";

/** The members of an array (MD) in the other image files of an image's folder: the disks of a machine mostly lie together. */
export async function membersBeside(image: string, array: string): Promise<MemberElsewhere[]> {
  const folder = dirname(image);
  const found: MemberElsewhere[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const file = join(folder, entry.name);
    if (!entry.isFile() || file === image) continue;
    const members = await membersIn(file, entry.name).catch((error) => {
      // A file that is not a disk image has no members.
      if (error instanceof TbuildError) return [];
      throw error;
    });
    found.push(...members.filter((one) => one.array === array));
  }
  return found.sort((one, other) => (one.role ?? 0) - (other.role ?? 0));
}

async function membersIn(file: string, name: string): Promise<(MemberElsewhere & { array: string })[]> {
  await using disk = await readImageFile(file);
  const found: (MemberElsewhere & { array: string })[] = [];
  for (const place of placesOf(disk, await tableOf(disk))) {
    if (place.offset + place.bytes > disk.bytes) continue;
    const member = await mdMember(insideOf(disk, place));
    if (member)
      found.push({
        name: place.name === "disk" ? name : `${place.name} of ${name}`,
        role: member.role,
        array: member.array,
      });
  }
  return found;
}
