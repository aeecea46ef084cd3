import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import type { Volume } from "./access.ts";
import { checkFileSystem } from "./e2fsck.ts";

/**
 * Replays the journal of an ext volume inside an image. e2fsck and debugfs 1.47 cannot do it in place: after the
 * replay they open the image anew and forget the offset. So the volume is copied out, replayed there, and the
 * blocks that differ are written back; the superblock, which says that there is a journal to replay, comes last.
 */
export async function replayJournal(host: Host, image: string, { offset, bytes }: Volume): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-journal-"));
  const [before, after] = [join(folder, "before"), join(folder, "after")];
  try {
    await host.run([
      "dd",
      ...[`if=${image}`, `of=${before}`, "bs=1M", "conv=sparse", "status=none"],
      ...["iflag=skip_bytes,count_bytes", `skip=${offset}`, `count=${bytes}`],
    ]);
    await host.run(["truncate", "-s", String(bytes), before]);
    await host.run(["cp", "--sparse=always", before, after]);
    await checkFileSystem(host, after);
    await writeBack(before, after, image, offset);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const chunkBytes = 1 << 20;

async function writeBack(before: string, after: string, image: string, offset: number): Promise<void> {
  await using one = await open(before, "r");
  await using other = await open(after, "r");
  await using target = await open(image, "r+");
  const { size } = await other.stat();
  const [old, now] = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)];
  // The chunk with the superblock is the first, and is written when all others are on the disk.
  for (let at = chunkBytes; at < size + chunkBytes; at += chunkBytes) {
    const place = at < size ? at : 0;
    if (place === 0) await target.sync();
    const { bytesRead } = await other.read(now, 0, chunkBytes, place);
    await one.read(old, 0, chunkBytes, place);
    if (!old.subarray(0, bytesRead).equals(now.subarray(0, bytesRead)))
      await target.write(now, 0, bytesRead, offset + place);
  }
  await target.sync();
}
