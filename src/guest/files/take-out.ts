import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rename, rm, stat, symlink } from "node:fs/promises";
import { basename } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { bytesOf } from "../../image/names.ts";
import type { GuestTree, Stat } from "../../image/tree.ts";
import { writeAll } from "../../io/durable.ts";
import { shown } from "../../io/escape.ts";
import { fileFault } from "../../io/file-fault.ts";
import { type TarMember, tarArchive } from "../../io/tar.ts";

/** Called with each path that is left out, and the reason. */
export type LeftOut = (path: string, why: string) => void;

/**
 * Copies a file or folder of the guest to this machine, as `cp -r` does: modes are kept, the copies belong to the caller. A
 * link that the caller named is followed, links below it are copied as links.
 * @returns the paths that were made
 */
export async function copyOut(
  tree: GuestTree,
  path: string,
  target: string,
  { leftOut, signal }: { readonly leftOut: LeftOut; readonly signal?: AbortSignal },
): Promise<string[]> {
  const into = await isFolder(target);
  const name = nameIn(path);
  const to = into && name !== "" ? join(bytesOf(target), name) : bytesOf(target);
  const made: string[] = [];
  await takeOut(tree, path, to, { leftOut, made, isTop: true, ...(signal && { signal }) });
  return made;
}

interface Taking {
  readonly leftOut: LeftOut;
  readonly made: string[];
  /** Aborts the copying; a partial file is removed. */
  readonly signal?: AbortSignal;
  readonly isTop?: boolean;
}

async function takeOut(tree: GuestTree, path: string, to: Buffer, taking: Taking): Promise<void> {
  const found = await resolved(tree, path, taking.isTop ?? false);
  const place = to.toString();
  try {
    if (found?.kind === "dir") {
      await mkdir(to, (found.mode & 0o777) | 0o700).catch(unlessThere);
      await requireOwnFolder(to);
      for (const name of await tree.list(path)) {
        refuseName(path, name);
        await takeOut(tree, `${path === "/" ? "" : path}/${name}`, join(to, name), {
          ...taking,
          isTop: false,
        });
      }
    } else if (found?.kind === "link") {
      await symlink(bytesOf(found.target ?? ""), to);
    } else if (found?.kind === "file") await writeFile(to, found.mode, tree.parts(path), taking.signal);
    else return taking.leftOut(path, found ? "a device, socket or pipe" : "a link that leads nowhere");
  } catch (error) {
    throw fileFault(error, place);
  }
  taking.made.push(place);
}

/** The folder `path` of the guest as a tar archive: owners, modes, links and SELinux labels are kept. */
export function archiveOf(tree: GuestTree, path: string, leftOut: LeftOut): AsyncIterable<Uint8Array> {
  return tarArchive(members(tree, path, leftOut));
}

async function* members(tree: GuestTree, top: string, leftOut: LeftOut): AsyncGenerator<TarMember> {
  const base = top === "/" ? "" : top.replace(/\/+$/, "");
  for await (const { path, stat } of tree.walk(base === "" ? "/" : base)) {
    const name = `.${path.slice(base.length)}`;
    if (/\p{Surrogate}/u.test(`${name}${stat.target ?? ""}`)) {
      leftOut(path, "its name is not UTF-8");
      continue;
    }
    const { mode, uid, gid, label, target, size } = stat;
    const common = { name, mode, uid, gid, ...(label !== undefined && { label }) };
    if (stat.kind === "dir") yield { ...common, name: `${name}/`, type: "directory" };
    else if (stat.kind === "link") yield { ...common, type: "symlink", target: target ?? "" };
    else if (stat.kind === "file") yield { ...common, type: "file", size, body: tree.parts(path) };
    else leftOut(path, "a device, socket or pipe");
  }
}

// The caller means the target of a link.
async function resolved(tree: GuestTree, path: string, isTop: boolean): Promise<Stat | undefined> {
  const found = await tree.stat(path);
  if (found?.kind !== "link" || !isTop) return found;
  const behind = await tree.stat(`${path}/.`);
  if (behind?.kind === "dir") return behind;
  const data = await tree.read(path);
  return data && { ...found, kind: "file", mode: 0o644, size: data.length };
}

/** Writes a file under another name first: after a failure, an existing file is unchanged. */
async function writeFile(
  to: Buffer,
  mode: number,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const there = await lstat(to).catch(() => undefined);
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  if (there?.isSymbolicLink() || there?.isDirectory()) throw inTheWay(to, there, "a file");
  // A pipe or a device is written to.
  if (there && !there.isFile()) return writeParts(await open(to, O_WRONLY | O_NOFOLLOW), parts, signal);
  const part = Buffer.concat([to, Buffer.from(".part")]);
  await rm(part, { force: true });
  const file = await open(part, O_WRONLY | O_CREAT | O_EXCL, (there?.mode ?? mode) & 0o777);
  try {
    await writeParts(file, parts, signal);
    await rename(part, to);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function writeParts(
  file: FileHandle,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const isRegular = (await file.stat()).isFile();
    let at = 0;
    for await (const part of parts) {
      checkInterrupted(signal);
      if (!isRegular) await file.writeFile(part);
      // Parts with only zeros become holes.
      else if (part.some((byte) => byte !== 0)) await writeAll(file, part, at);
      at += part.length;
    }
    if (isRegular) await file.truncate(at);
  } finally {
    await file.close();
  }
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}

// A link in the target folder would lead the copy to another place.
async function requireOwnFolder(to: Buffer): Promise<void> {
  const there = await lstat(to);
  if (!there.isDirectory()) throw inTheWay(to, there, "a folder");
}

function inTheWay(to: Buffer, there: Stats, what: string): TbuildError {
  const is = there.isSymbolicLink() ? "a link" : there.isDirectory() ? "a folder" : "not a folder";
  return new TbuildError("environment", `is ${is}, but ${what} should be copied there`, {
    subject: to.toString(),
    hint: "Remove it, or copy to another place.",
  });
}

function refuseName(dir: string, name: string): void {
  if (name.includes("/") || name === "." || name === "..")
    throw new TbuildError("integrity", `the folder contains the impossible name ${shown(name)}`, {
      subject: shown(dir),
      hint: "The file system is damaged or malicious. Nothing with this name was copied.",
    });
}

async function isFolder(target: string): Promise<boolean> {
  return (await stat(target).catch(() => undefined))?.isDirectory() ?? false;
}

function nameIn(path: string): string {
  return basename(path);
}

function join(folder: Buffer, name: string): Buffer {
  return Buffer.concat([folder, Buffer.from("/"), bytesOf(name)]);
}
