import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localHost } from "../../src/host/local.ts";
import { makeDirtyFolder } from "../guest/dirty-folder.ts";
import { mbr } from "../image/disk-tables.ts";

export const host = localHost();
export const start = 1048576;

/** The file systems that Oracle Linux has used, as mke2fs makes them. */
export const kinds = {
  "ext3 with 128-byte inodes, as OL5": ["-t", "ext3", "-I", "128"],
  "ext4, as OL6": ["-t", "ext4", "-O", "^64bit,^metadata_csum"],
  "ext4 with metadata_csum and 64bit, as OL8": ["-t", "ext4", "-O", "64bit,metadata_csum"],
} as const;

/** An image with an MBR and one partition with the dirtiest guest. */
export async function makeDirtyImage(
  image: string,
  options: readonly string[],
  { megabytes = 64, files = 500 } = {},
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "tbuild-dirty-"));
  await makeDirtyFolder(root, files);
  await host.run(["truncate", "-s", `${megabytes}M`, image]);
  const place = `offset=${start}`;
  const size = `${megabytes - 2}M`;
  await host.run(["mke2fs", "-q", "-F", ...options, "-E", place, "-d", root, image, size]);
  const count = ((megabytes - 2) * 1048576) / 512;
  await host.run(["dd", `of=${image}`, "conv=notrunc", "status=none"], {
    input: mbr([{ type: 0x83, start: start / 512, count }]),
  });
  await rm(root, { recursive: true });
}

const digest = join(import.meta.dirname, "image-digest.py");

/** A SHA-256 of the size and the nonzero bytes of an image: equal images have equal digests. */
export async function sha256Of(file: string): Promise<string> {
  return (await host.run(["python3", digest, file])).stdout.trim();
}

/** Throws when e2fsck finds anything at all. */
export async function isSound(image: string): Promise<void> {
  await host.run(["e2fsck", "-fn", `${image}?offset=${start}`]);
}
