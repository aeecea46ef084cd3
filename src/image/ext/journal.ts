import { open } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { writeAll } from "../../io/durable.ts";
import type { Volume } from "../access.ts";
import { checkFileSystem } from "./e2fsck.ts";
import { Superblock } from "./superblock.ts";

/**
 * Replays the journal of an ext volume inside a raw image. e2fsck and debugfs 1.47 cannot do it in place: after the
 * replay they reopen the image and forget the offset. So the volume is copied, replayed in the copy, and the
 * changed blocks are written back. The superblock, which marks the journal as pending, is written last.
 */
export async function replayJournal(host: Runner, image: string, volume: Volume): Promise<void> {
  await using target = await open(image, "r+");
  await replayInto(host, image, volume, async (at, data) => {
    if (at === 0) await target.sync();
    await writeAll(target, data, volume.offset + at);
  });
  await target.sync();
}

/** Computes what the replay changes in the volume. The image does not change. `signal` aborts it. */
export async function replayInto(
  host: Runner,
  image: string,
  { name, offset, bytes }: Volume,
  write: (at: number, data: Uint8Array) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const interruptible = signal && { signal };
  await refuseExternal(image, { name, offset });
  await using folder = await temporaryFolder("journal");
  const [before, after] = [join(folder.path, "before"), join(folder.path, "after")];
  await host.run(
    [
      "dd",
      ...[`if=${image}`, `of=${before}`, "bs=1M", "conv=sparse", "status=none"],
      ...["iflag=skip_bytes,count_bytes", `skip=${offset}`, `count=${bytes}`],
    ],
    { ...interruptible },
  );
  await host.run(["truncate", "-s", String(bytes), before]);
  await host.run(["cp", "--sparse=always", before, after], { ...interruptible });
  const shown = offset === 0 ? image : `${image}?offset=${offset}`;
  await checkFileSystem(host, after, { shown, ...interruptible });
  await writeDifferences(before, after, write);
}

// The superblock names the inode of its journal, or the UUID of the device that holds it.
async function refuseExternal(
  image: string,
  { name, offset }: Pick<Volume, "name" | "offset">,
): Promise<void> {
  await using file = await open(image, "r");
  const data = Buffer.alloc(Superblock.bytes);
  await file.read(data, 0, data.length, offset + Superblock.offset);
  const superblock = new Superblock(data);
  if (!superblock.has("compatible", "has_journal") || superblock.journalInode !== 0) return;
  throw new TbuildError(
    "environment",
    "has an external journal, which contains changes that are not yet in place",
    {
      subject: name,
      hint:
        "Nothing was changed. Attach this disk and the one with the journal to a Linux machine, mount the file system " +
        "and unmount it, and run the command again.",
    },
  );
}

const chunkBytes = 1 << 20;

async function writeDifferences(
  before: string,
  after: string,
  write: (at: number, data: Uint8Array) => Promise<void>,
): Promise<void> {
  await using one = await open(before, "r");
  await using other = await open(after, "r");
  const { size } = await other.stat();
  const [old, now] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  // The first chunk contains the superblock, and is written after all others are on the disk.
  for (let at = chunkBytes; at < size + chunkBytes; at += chunkBytes) {
    const place = at < size ? at : 0;
    const { bytesRead } = await other.read(now, 0, chunkBytes, place);
    await one.read(old, 0, chunkBytes, place);
    if (!old.subarray(0, bytesRead).equals(now.subarray(0, bytesRead)))
      await write(place, now.subarray(0, bytesRead));
  }
}
