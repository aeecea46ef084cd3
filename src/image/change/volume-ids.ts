import { open } from "node:fs/promises";
import type { Host } from "../../host/host.ts";
import { writeAll } from "../../io/durable.ts";
import type { Volume } from "../access.ts";
import { checkFileSystem } from "../ext/e2fsck.ts";
import { readImageFile } from "../file/image-file.ts";
import { rawView } from "../file/raw-view.ts";

/** Whether `writeVolumeIds` can give this volume another UUID: an ext file system or a swap area, in one piece. */
export function takesId({ fs, pieces, refused, uuid }: Volume): boolean {
  const isOne = (pieces ?? []).length <= 1 && refused === undefined && uuid !== undefined;
  return isOne && (fs.startsWith("ext") || fs === "swap");
}

/** Gives volumes their UUIDs, in place. Only for our own images, which need no undo. */
export async function writeVolumeIds(
  host: Host,
  image: string,
  ids: ReadonlyMap<Volume, string>,
  signal?: AbortSignal,
): Promise<void> {
  const isRaw = await isRawFile(image);
  const view = isRaw ? undefined : await rawView(host, image, false);
  const file = view?.file ?? image;
  try {
    for (const [volume, id] of ids) {
      const offset = volume.pieces?.[0]?.offset ?? volume.offset;
      if (volume.fs === "swap") await writeSwapId(file, offset, id);
      else {
        const device = `${file}?offset=${offset}`;
        // Checksums contain the UUID, and tune2fs calculates them again only for a file system that was just checked.
        await checkFileSystem(host, device, signal && { signal });
        await host.run(["tune2fs", "-U", id, device], signal ? { signal } : {});
      }
    }
  } finally {
    await view?.[Symbol.asyncDispose]();
  }
}

async function isRawFile(image: string): Promise<boolean> {
  await using opened = await readImageFile(image);
  return opened.format === "raw";
}

// union swap_header in the kernel's include/linux/swap.h.
const swapUuidAt = 1036;

async function writeSwapId(file: string, offset: number, id: string): Promise<void> {
  await using target = await open(file, "r+");
  await writeAll(target, Buffer.from(id.replaceAll("-", ""), "hex"), offset + swapUuidAt);
  await target.sync();
}
