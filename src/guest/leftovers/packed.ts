import { compressionOf, unpack } from "../unpack.ts";
import {
  type ArchiveKind,
  type ArchiveMember,
  archiveKindOf,
  archiveMembers,
  BadArchive,
} from "./archive-members.ts";
import { zipMembers } from "./zip-members.ts";

/** A file, or a file inside it. */
export interface Inside {
  /** Its names in the archives around it, with a slash between; `undefined` for the file itself. */
  readonly name: string | undefined;
  readonly data: Buffer;
  /** Of what is part of an RPM package: where the package installs it, or empty. */
  readonly installedAs?: string;
}

export interface SearchedInside {
  /** What `look` found first. */
  readonly what?: string;
  /** The names, as in `Inside`, of what could not be unpacked here, and is only searched as it is. */
  readonly notUnpacked: readonly (string | undefined)[];
}

// A file that unpacks to more is not configuration.
const mostBytes = 64 << 20;
const mostMembers = 50_000;
// A copy of /root in a backup of a machine's /home, once more in a package.
const mostLevels = 6;

interface Search {
  readonly look: (inside: Inside) => string | undefined;
  readonly notUnpacked: (string | undefined)[];
  /** The bytes and the members that may still be unpacked. */
  left: number;
  members: number;
}

/** Searches a file: all that is packed in it, at any depth within bounds, or else the file as it is. */
export async function searchInside(
  path: string,
  data: Buffer,
  look: Search["look"],
): Promise<SearchedInside> {
  const search: Search = { look, notUnpacked: [], left: mostBytes, members: mostMembers };
  const file = { name: undefined, data };
  const what = isPolicy.test(path) ? look(file) : await searchLevel(path, file, search, 0);
  return { notUnpacked: search.notUnpacked, ...(what !== undefined && { what }) };
}

async function searchLevel(
  path: string,
  inside: Inside,
  search: Search,
  level: number,
): Promise<string | undefined> {
  const members = membersOf(path, inside.data, search);
  if (members === undefined) return search.look(inside);
  if (level < mostLevels)
    try {
      for await (const member of members) {
        if (--search.members < 0) throw new BadArchive("too many members");
        const what = await searchLevel(member.name ?? path, within(inside, member), search, level + 1);
        if (what !== undefined) return what;
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof BadArchive)) throw error;
    }
  search.notUnpacked.push(inside.name);
  return search.look(inside);
}

type Member = ArchiveMember & { readonly isOfPackage?: boolean };

function within(outer: Inside, { name, data, isOfPackage = false }: Member): Inside {
  const clean = name?.replace(/^(?:\.?\/)+/, "");
  const isInPackage = isOfPackage || outer.installedAs !== undefined;
  const installedAs = isInPackage ? outer.installedAs || (clean ?? "") : undefined;
  return {
    name: clean === undefined ? outer.name : outer.name === undefined ? clean : `${outer.name}/${clean}`,
    data,
    ...(installedAs !== undefined && { installedAs }),
  };
}

/** What a file contains; `undefined` if it is neither compressed nor an archive. */
function membersOf(path: string, data: Buffer, search: Search): AsyncIterable<Member> | undefined {
  const start = data.toString("latin1", 0, 9);
  if (others.some((magic) => start.startsWith(magic))) return unreadable();
  if (start.startsWith("PK\x03\x04")) return ofZip(data, search);
  const archive = archiveKindOf(data);
  if (archive !== undefined) return ofArchive(archive, data);
  const kind = compressionOf(data);
  // Many other files also start with the magic of lzma.
  if (kind === undefined || (kind === "lzma" && !/\.(?:lzma|tlz)$/.test(path))) return undefined;
  return ofCompressed(data, search);
}

async function* ofZip(data: Buffer, search: Search): AsyncGenerator<Member> {
  const members = await zipMembers(data, search.left);
  if (members === undefined) throw new BadArchive("zip");
  for (const member of members) search.left -= member.data.length;
  yield* members;
}

async function* ofArchive(kind: ArchiveKind, data: Buffer): AsyncGenerator<Member> {
  for await (const member of archiveMembers(kind, data)) yield { ...member, isOfPackage: kind === "rpm" };
}

async function* ofCompressed(data: Buffer, search: Search): AsyncGenerator<Member> {
  const unpacked = await unpack(data, search.left);
  if ("why" in unpacked) throw new BadArchive(unpacked.why);
  search.left -= unpacked.data.length;
  yield unpacked;
}

// biome-ignore lint/correctness/useYield: it fails at its first member
async function* unreadable(): AsyncGenerator<Member> {
  throw new BadArchive("unknown");
}

// semodule packs the modules of a policy with bzip2.
const isPolicy = /^\/(?:etc|var\/lib)\/selinux\//;

// 7z, RAR, compress, Microsoft's cabinets, squashfs.
const others = ["7z\xbc\xaf", "Rar!\x1a\x07", "\x1f\x9d", "MSCF\0\0\0\0", "hsqs"];
