import type { Volume } from "../access.ts";
import type { MdMember } from "./md.ts";
import { mdClaim } from "./members.ts";
import type { Run } from "./partitions.ts";

/** A mirror (MD RAID1) with all of its members. Every write must go to all of them. */
export interface MdArray extends Run {
  /** `md0`; `offset` is that of its data in the first member. */
  readonly name: string;
  /** The members in this image. */
  readonly legs: readonly MdLeg[];
  /** The members in other images. */
  readonly elsewhere: readonly MdLegElsewhere[];
  /** The UUID of the array, as hexadecimal digits. */
  readonly id: string;
  /** It contains swap, so its members need not be equal. */
  readonly isSwap?: true;
}

export interface MdLeg {
  /** The volume that is the member: `p1`. */
  readonly name: string;
  /** The place of the array's data on the disk. */
  readonly offset: number;
  /** The whole member, with the RAID's own records. */
  readonly whole: Run;
}

export interface MdLegElsewhere {
  readonly image: string;
  /** `p1 of disk2.img`. */
  readonly name: string;
  /** The place of the array's data in that image. */
  readonly offset: number;
}

/** The other members of mirrors with swap, as volumes: each contains the memory that was written to it. */
export function swapMembers(arrays: readonly MdArray[]): Volume[] {
  return arrays.flatMap(({ name, offset, bytes, legs, isSwap }) =>
    (isSwap ? legs : [])
      .filter((leg) => leg.offset !== offset)
      .map((leg) => ({ name: `${name} on ${leg.name}`, offset: leg.offset, bytes, fs: "swap" })),
  );
}

/** A member of an array of any kind, and its superblock. */
export interface MdPart {
  readonly place: Volume;
  readonly member: MdMember;
  /** The image that contains it, if it is another one. */
  readonly image?: string;
}

/**
 * Returns the first byte, from their starts, at which a range of the disk and one of the disk or of another
 * image differ.
 */
export type Differs = (one: Run, other: Run & Pick<MdPart, "image">) => Promise<number | undefined>;

/** A member of an array in another image. */
export interface MemberElsewhere {
  /** `p1 of disk2.img`. */
  readonly name: string;
  readonly role: number | undefined;
}

/** How to inspect an array. */
export interface ArrayLook {
  isSwap(place: Run): Promise<boolean>;
  readonly differs?: Differs;
  /** The members in other images that may be used. */
  readonly further?: readonly MdPart[];
  /** Finds the members that other images have. */
  readonly elsewhere?: (array: string) => Promise<readonly MemberElsewhere[]>;
}

/** The arrays that can be opened, and the members of those that cannot, with the reason. */
export async function mdArrays(
  parts: readonly MdPart[],
  look: ArrayLook,
): Promise<{ readonly arrays: readonly MdArray[]; readonly closed: readonly Volume[] }> {
  const arrays: MdArray[] = [];
  const closed: Volume[] = [];
  for (const id of new Set(parts.map(({ member }) => member.array))) {
    const here = parts.filter(({ member }) => member.array === id);
    const all = [...here, ...(look.further ?? []).filter(({ member }) => member.array === id)];
    const active = all
      .filter(({ member }) => member.role !== undefined)
      .sort((one, other) => (one.member.role ?? 0) - (other.member.role ?? 0));
    const close = (some: readonly MdPart[], why: string) => {
      for (const { place } of some) closed.push({ ...place, refused: `${mdClaim}${why}` });
    };
    const open = await opened(active, look);
    if (typeof open === "string") {
      close(here, open);
      continue;
    }
    const isTaken = arrays.some(({ name }) => name === open.name);
    arrays.push(isTaken ? { ...open, name: `md/${id.slice(0, 8)}` } : open);
    close(
      here.filter((part) => !active.includes(part)),
      ", as a spare or after a failure",
    );
  }
  return { arrays, closed };
}

/** The array, or why it cannot be opened, worded to follow the claim. */
async function opened(
  active: readonly MdPart[],
  { isSwap, differs, elsewhere }: ArrayLook,
): Promise<MdArray | string> {
  const first = active.find(({ image }) => image === undefined);
  if (!first) return ", without an active member here";
  const others = active.filter((part) => part !== first);
  const { level, members, name, events, data, array: id } = first.member;
  if (level !== 1) return ` of level ${level === linear ? "linear" : level}`;
  const faulty = active.find(({ member }) => member.fault !== undefined);
  if (faulty) return `; ${faulty.place.name} ${faulty.member.fault}`;
  if (active.length < members) {
    const beside = elsewhere && othersOf(active, await elsewhere(first.member.array));
    return `; only ${active.length} of its ${members} members are available${beside === undefined ? "" : `, ${beside}`}`;
  }
  if (active.length > members || active.some(({ member }, index) => member.role !== index))
    return `; ${active.map(({ place }) => place.name).join(" and ")} have the same position in it: one is a copy`;
  const odd = others.find(({ member }) => member.events !== events || member.data.bytes !== data.bytes);
  if (odd) return `; ${odd.place.name} is older or newer than ${first.place.name}`;
  const legs = active.flatMap(({ place: { name, offset, bytes }, member, image }) =>
    image === undefined ? [{ name, offset: offset + member.data.offset, whole: { offset, bytes } }] : [],
  );
  const further = active.flatMap(({ image, ...part }) =>
    image === undefined ? [] : [{ image, name: part.place.name, offset: place(part) }],
  );
  const run = { offset: place(first), bytes: data.bytes };
  const holdsSwap = await isSwap(run);
  for (const part of holdsSwap ? [] : others) {
    const at = await differs?.(run, {
      offset: place(part),
      bytes: data.bytes,
      ...(part.image !== undefined && { image: part.image }),
    });
    if (at !== undefined) return `; ${first.place.name} and ${part.place.name} differ, first at byte ${at}`;
  }
  return { name, id, ...run, legs, elsewhere: further, ...(holdsSwap && { isSwap: true }) };
}

// Worded to follow the number of available members. A member with the position of an available one is its
// copy.
function othersOf(active: readonly MdPart[], found: readonly MemberElsewhere[]): string {
  const [{ member } = {}] = active;
  const wanted = found.filter(
    ({ role }) => role !== undefined && active.every((part) => part.member.role !== role),
  );
  const uuid = member?.array.match(/.{8}/g)?.join(":");
  const where =
    wanted.length === 0
      ? "and no other image in this folder has one"
      : `${wanted.length === 1 ? "another is" : "others are"} ${wanted.map(({ name }) => name).join(" and ")}`;
  return `${where} (array ${member?.name}, UUID ${uuid})`;
}

/** LEVEL_LINEAR in include/uapi/linux/raid/md_u.h. */
const linear = -1;

function place({ place: { offset }, member }: MdPart): number {
  return offset + member.data.offset;
}
