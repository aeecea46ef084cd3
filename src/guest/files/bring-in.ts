import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import { bytesOf, stringOf } from "../../image/names.ts";
import type { Attributes, GuestTree } from "../../image/tree.ts";
import { shown } from "../../io/escape.ts";
import { fileFault } from "../../io/file-fault.ts";
import { tarEntries } from "../../io/tar.ts";

/**
 * A file, folder or link for the guest. Without attributes, an existing file keeps its own, and a new one
 * gets the usual ones.
 */
export interface Arrival {
  readonly path: string;
  readonly kind: "file" | "dir" | "link";
  readonly attributes: Partial<Attributes>;
  /** The mode of a file that the guest does not have yet, unless `attributes` gives one. */
  readonly newMode?: number;
  readonly data?: Uint8Array;
  readonly target?: string;
}

/** Copies the members into the guest. @returns the paths that changed */
export async function bringIn(
  tree: GuestTree,
  arrivals: AsyncIterable<Arrival> | Iterable<Arrival>,
): Promise<string[]> {
  const changed: string[] = [];
  let bytes = 0;
  for await (const arrival of arrivals) {
    const { path, kind, attributes, newMode, data = new Uint8Array(), target = "" } = arrival;
    bytes += data.length;
    if (bytes > largest) throw tooLarge(path);
    if (!(await differs(tree, arrival))) continue;
    if (kind === "dir") await tree.makeDir(path, attributes);
    else if (kind === "link") await tree.link(path, target);
    else {
      const isNew = newMode !== undefined && (await tree.stat(path)) === undefined;
      await tree.write(path, data, { ...(isNew && { mode: newMode }), ...attributes });
    }
    changed.push(path);
  }
  return changed;
}

async function differs(tree: GuestTree, { path, kind, attributes, data, target }: Arrival): Promise<boolean> {
  const found = await tree.stat(path);
  if (kind === "dir") return found?.kind !== "dir" && (await tree.stat(`${path}/.`))?.kind !== "dir";
  if (kind === "link") return found?.kind !== "link" || found.target !== target;
  if (found === undefined) return true;
  if (found.kind === "file") {
    const { mode, uid, gid } = { ...found, ...attributes };
    const isSame = (mode & 0o7777) === (found.mode & 0o7777) && uid === found.uid && gid === found.gid;
    if (!isSame || found.size !== data?.length) return true;
  }
  return Buffer.compare((await tree.read(path)) ?? new Uint8Array(), data ?? new Uint8Array()) !== 0;
}

/**
 * A local file or folder, to copy to `to` in the guest. Modes are copied. Owners are not, because this
 * machine has other users than the guest.
 */
export async function* localArrivals(
  local: string,
  to: string,
  attributes: Partial<Attributes> = {},
): AsyncGenerator<Arrival> {
  yield* arrivalsBelow(bytesOf(local), to, attributes, true);
}

async function* arrivalsBelow(
  local: Buffer,
  to: string,
  attributes: Partial<Attributes>,
  isTop: boolean,
): AsyncGenerator<Arrival> {
  const place = local.toString();
  try {
    const found = await lstat(local).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw cause;
      throw new TbuildError("usage", "there is no such file", { subject: place, cause });
    });
    const mode = found.mode & 0o7777;
    if (found.isDirectory()) {
      yield { path: to, kind: "dir", attributes: { mode, ...attributes } };
      for (const name of (await readdir(local, { encoding: "buffer" })).sort(Buffer.compare))
        yield* arrivalsBelow(
          Buffer.concat([local, Buffer.from("/"), name]),
          `${to}/${stringOf(name)}`,
          attributes,
          false,
        );
    } else if (found.isSymbolicLink() && !isTop)
      yield { path: to, kind: "link", attributes: {}, target: stringOf(await readlink(local, "buffer")) };
    else {
      if (found.size > largest) throw tooLarge(place);
      // A file that the guest has keeps its mode, as with cp.
      yield { path: to, kind: "file", attributes, newMode: mode & 0o777, data: await readFile(local) };
    }
  } catch (error) {
    throw fileFault(error, place);
  }
}

/**
 * The members of a tar archive, to copy below `dir` in the guest, with their owners and modes. Throws if a
 * member would be outside of `dir`, or is of a kind that tbuild does not make. Links to files in the archive
 * (hard links) become copies.
 */
export function archiveArrivals(
  archive: AsyncIterable<Uint8Array>,
  dir: string,
  what: string,
): AsyncGenerator<Arrival> {
  return sound(membersOf(archive, dir, what), what);
}

async function* membersOf(
  archive: AsyncIterable<Uint8Array>,
  dir: string,
  what: string,
): AsyncGenerator<Arrival> {
  const base = dir === "/" ? "" : dir.replace(/\/+$/, "");
  const links = new Set<string>();
  const kept = new Map<string, Uint8Array>();
  let bytes = 0;
  const refuse = (name: string, why: string) =>
    new TbuildError("usage", `${shown(name)} ${why}`, {
      subject: what,
      hint: "The image was not changed. Make the archive without it.",
    });
  for await (const { name, type, size, mode, uid, gid, target, body, pax } of tarEntries(archive)) {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (name.startsWith("/") || parts.includes("..")) throw refuse(name, "is outside the target folder");
    const inside = `/${parts.join("/")}`;
    if (parts.some((_, at) => at > 0 && links.has(`/${parts.slice(0, at).join("/")}`)))
      throw refuse(name, "is reached through a link in the archive");
    const path = `${base}${inside === "/" ? "" : inside}` || "/";
    const label = pax["SCHILY.xattr.security.selinux"]?.replace(/\0$/, "");
    const attributes = { mode: mode & 0o7777, uid, gid, ...(label !== undefined && { label }) };
    if (type === "directory") yield { path, kind: "dir", attributes };
    else if (type === "symlink") {
      links.add(inside);
      yield { path, kind: "link", attributes: {}, target };
    } else if (type === "file" || type === "contiguous-file") {
      bytes += size;
      if (bytes > largest) throw tooLarge(what);
      const data = await joined(body);
      kept.set(inside, data);
      links.delete(inside);
      yield { path, kind: "file", attributes, data };
    } else if (type === "link") {
      const data = kept.get(
        `/${target
          .split("/")
          .filter((part) => part !== "" && part !== ".")
          .join("/")}`,
      );
      if (!data) throw refuse(name, `is a hard link to ${shown(target)}, which is not in the archive`);
      kept.set(inside, data);
      yield { path, kind: "file", attributes, data };
    } else throw refuse(name, `is a ${type}; tbuild puts files, folders and links into a guest`);
  }
}

// Errors of tar-stream are about the archive. Every other error has a code, or is ours.
async function* sound(arrivals: AsyncIterable<Arrival>, what: string): AsyncGenerator<Arrival> {
  try {
    yield* arrivals;
  } catch (cause) {
    if (cause instanceof TbuildError || (cause as NodeJS.ErrnoException).syscall !== undefined) throw cause;
    throw new TbuildError("integrity", "is not a tar archive, or is damaged", {
      subject: what,
      hint: "The image was not changed.",
      cause,
    });
  }
}

async function joined(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

// A change is kept in memory until it is written.
const largest = 1 << 29;

function tooLarge(what: string): TbuildError {
  return new TbuildError("usage", "more than 512 MiB cannot be copied into a guest at once", {
    subject: shown(what),
    hint: "Copy it in parts. Copy a single larger file when the machine runs.",
  });
}
