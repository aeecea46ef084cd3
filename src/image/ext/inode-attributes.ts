import { randomBytes } from "node:crypto";
import type { Attributes } from "../tree.ts";
import { at, extentMagic, flag, oldInodeBytes } from "./inode-fields.ts";
import type { ExtVolume } from "./volume.ts";

/** A new inode, without content. */
export function fresh(volume: ExtVolume, kind: "file" | "dir" | "link", attributes: Attributes): Buffer {
  const inode = Buffer.alloc(volume.inodeBytes);
  const types = { file: 0o100000, dir: 0o040000, link: 0o120000 };
  inode.writeUInt16LE(types[kind], at.mode);
  own(inode, attributes);
  inode.writeUInt16LE(kind === "dir" ? 2 : 1, at.links);
  if (volume.hasExtents) {
    inode.writeUInt32LE(flag.extents, at.flags);
    // The head of an empty extent tree, and how many extents fit in the inode.
    inode.writeUInt16LE(extentMagic, at.block);
    inode.writeUInt16LE(4, at.block + 4);
  }
  randomBytes(4).copy(inode, at.generation);
  if (volume.inodeBytes > oldInodeBytes) inode.writeUInt16LE(volume.extraBytes, at.extra);
  touch(inode, [at.atime, at.mtime, at.ctime]);
  if (oldInodeBytes + volume.extraBytes >= at.crtime + 4) inode.writeUInt32LE(now(), at.crtime);
  return inode;
}

export function own(inode: Buffer, { mode, uid, gid }: Attributes): void {
  inode.writeUInt16LE((inode.readUInt16LE(at.mode) & 0o170000) | (mode & 0o7777), at.mode);
  inode.writeUInt16LE(uid & 0xffff, at.uid);
  inode.writeUInt16LE(uid >>> 16, at.uidHigh);
  inode.writeUInt16LE(gid & 0xffff, at.gid);
  inode.writeUInt16LE(gid >>> 16, at.gidHigh);
}

const finer: Readonly<Record<number, number>> = {
  [at.ctime]: at.ctimeExtra,
  [at.mtime]: at.mtimeExtra,
  [at.atime]: at.atimeExtra,
};

/** Sets times to now. */
export function touch(inode: Buffer, times: readonly number[]): void {
  for (const time of times) {
    inode.writeUInt32LE(now(), time);
    const place = finer[time] ?? 0;
    if (inode.length > oldInodeBytes && place + 4 <= oldInodeBytes + inode.readUInt16LE(at.extra))
      inode.writeUInt32LE(0, place);
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
