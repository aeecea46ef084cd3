import { checkInodeBlocks, mapBlocks, type Owned, ownedBlocks } from "./inode.ts";
import { at, mapBytes } from "./inode-fields.ts";
import type { ExtVolume } from "./volume.ts";

// Reuses the existing blocks as far as they are needed.
export async function setContent(
  volume: ExtVolume,
  number: number,
  inode: Buffer,
  data: Uint8Array,
): Promise<void> {
  const { blockBytes } = volume;
  const old = await ownedBlocks(volume, inode);
  checkInodeBlocks(volume, number, inode, old);
  await volume.checkBlocks([...old.data, ...old.maps]);
  const count = Math.ceil(data.length / blockBytes);
  const blocks = old.data.slice(0, count);
  if (blocks.length < count) blocks.push(...(await volume.takeBlocks(count - blocks.length, number)));
  for (const [index, block] of blocks.entries()) {
    const content = Buffer.alloc(blockBytes);
    content.set(data.subarray(index * blockBytes, (index + 1) * blockBytes));
    await volume.putBlock(block, content);
  }
  await release(volume, { data: old.data.slice(count), maps: old.maps });
  await mapBlocks(volume, number, inode, blocks);
  inode.writeUInt32LE(data.length, at.size);
  inode.writeUInt32LE(0, at.sizeHigh);
}

export async function setTarget(
  volume: ExtVolume,
  number: number,
  inode: Buffer,
  target: Buffer,
): Promise<void> {
  if (target.length >= mapBytes) return setContent(volume, number, inode, target);
  inode.writeUInt32LE(0, at.flags);
  inode.fill(0, at.block, at.block + mapBytes);
  target.copy(inode, at.block);
  inode.writeUInt32LE(target.length, at.size);
}

export async function release(
  volume: ExtVolume,
  { data, maps }: Pick<Owned, "data" | "maps">,
): Promise<void> {
  for (const block of [...data, ...maps]) await volume.freeBlock(block);
}
