import { mkdir, mkdtemp, open, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { btrfsFilePlaces } from "../../src/image/btrfs/file-places.ts";
import type { FilePlaces } from "../../src/image/disk/file-places.ts";
import { xfsFilePlaces } from "../../src/image/xfs/file-places.ts";
import { fileReader, type Reader } from "../../src/io/reader.ts";
import { describeWith } from "../fakes/missing.ts";
import { unmountImage } from "../unmount-image.ts";

const host = localHost();

/** A volume that a script fills; $1 is its mount point. */
function opened(kind: "xfs" | "btrfs") {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-places-"));
    await mkdir(join(folder, "at"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const [volume, at] = [() => join(folder, "volume"), () => join(folder, "at")];
  const sh = async (script: string) => {
    await host.run(["mount", "-o", "loop", volume(), at()]);
    try {
      await host.run(["bash", "-ec", script, "bash", at()]);
    } finally {
      await unmountImage(at());
    }
  };
  return {
    volume,
    sh,
    async make(options: readonly string[], script: string) {
      await rm(volume(), { force: true });
      await host.run(["truncate", "-s", "320M", volume()]);
      await host.run([`mkfs.${kind}`, "-q", ...options, volume()]);
      await sh(script);
    },
    async contentOf(path: string): Promise<Buffer> {
      await sh(`cp "$1${path}" "$1/../content"`);
      return readFile(join(folder, "content"));
    },
    async open<Result>(work: (reader: Reader) => Promise<Result>): Promise<Result> {
      await using reader = await fileReader(volume());
      return await work(reader);
    },
  };
}

async function bytesAt(reader: Reader, places: FilePlaces): Promise<Buffer> {
  if (places === undefined || typeof places === "string") throw new Error(`no places: ${places}`);
  const parts: Uint8Array[] = [];
  for (const { offset, bytes } of places) parts.push(await reader.read(offset, bytes));
  return Buffer.concat(parts);
}

// Single blocks of two files in turn; then contents for all but the last ones.
const inPieces = `
touch "$1/swap" "$1/other"
chattr +C "$1/swap" 2> "$1/../said" || true
{
  printf 'open %s\\nopen %s\\n' "$1/swap" "$1/other"
  for i in {0..999}; do printf 'file 0\\nfalloc %d 4096\\nfile 1\\nfalloc %d 4096\\n' $((i * 4096)) $((i * 4096)); done
} | xfs_io > "$1/../said"
sync
dd if=/dev/urandom of="$1/swap" bs=4096 count=900 conv=notrunc status=none`;
const writtenBytes = 900 * 4096;

describeWith(
  ["mkfs.xfs", "xfs_io", "xfs_repair", "mount", "losetup", "loop", "root"],
  "a file of XFS",
  () => {
    const { volume, sh, make, contentOf, open: look } = opened("xfs");
    const places = (path: string) => look((reader) => xfsFilePlaces(reader, "p1", path));
    it.each([
      ["in a folder that its inode holds", [], "swap", ""],
      ["in a folder of one block", [], "d/swap", 'mkdir "$1/d"; touch "$1"/d/file-{1..60}'],
      ["in a folder of many blocks", [], "d/swap", 'mkdir "$1/d"; touch "$1"/d/a-longer-name-{1..5000}'],
      [
        "in a folder whose blocks are larger than others",
        ["-b", "size=1024", "-n", "size=8192"],
        "d/swap",
        'mkdir "$1/d"; touch "$1"/d/a-longer-name-{1..3000}',
      ],
      ["in an inode of 1 KiB", ["-i", "size=1024"], "a/b/c/swap", 'mkdir -p "$1/a/b/c"'],
      ["of another allocation group", [], "d5/swap", 'mkdir "$1"/d{1..8}'],
    ])("is found %s", async (_what, options, path, script) => {
      await make(options, `${script}\nhead -c 3M /dev/urandom > "$1/${path}"`);
      const expected = await contentOf(`/${path}`);
      const found = await look(async (reader) =>
        bytesAt(reader, await xfsFilePlaces(reader, "p1", `/${path}`)),
      );
      expect(found.subarray(0, expected.length).equals(expected)).toBe(true);
      expect(found.length - expected.length).toBeLessThan(1 << 16);
    });

    it("is found in many pieces, reserved and written", async () => {
      await make([], inPieces);
      await isInPieces(await contentOf("/swap"), await places("/swap"), look);
    });

    it("is found with its reserved, unwritten blocks", async () => {
      await make([], 'fallocate -l 8M "$1/swap"; mkswap -q "$1/swap"');
      const found = await places("/swap");
      expect(Array.isArray(found) && found.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(8 << 20);
    });

    it.each([
      ["with holes", 'truncate -s 8M "$1/swap"; mkswap -q "$1/swap"', "with holes"],
      [
        "that shares blocks",
        'head -c 1M /dev/zero > "$1/x"; cp --reflink=always "$1/x" "$1/swap"',
        "may share",
      ],
      ["that is a link", 'head -c 1M /dev/zero > "$1/x"; ln -s x "$1/swap"', "reached through a link"],
      ["below a link", 'mkdir "$1/d"; ln -s d "$1/swap"; touch "$1/d/swap"', "reached through a link"],
      ["that does not exist", 'touch "$1/other"', undefined],
    ])("%s is not taken for one", async (_what, script, words) => {
      await make([], script);
      const found = await places("/swap");
      if (words === undefined) expect(found).toBeUndefined();
      else expect(found).toContain(words);
    });

    it("is uncertain with unknown features, damage or a pending log", async () => {
      await make([], 'head -c 1M /dev/urandom > "$1/swap"');
      const set = async (offset: number, bytes: number[]) => {
        await using file = await open(volume(), "r+");
        await file.write(Buffer.from(bytes), 0, bytes.length, offset);
      };
      await set(216, [0x80]);
      expect(await places("/swap")).toContain("features that tbuild does not know");
      await set(216, [0]);
      const root = 56;
      await set(root + 5, [1]);
      await expect(places("/swap")).rejects.toThrow("p1: the XFS is damaged");
      await set(root + 5, [0]);
      await sh('touch "$1/x"; sync; cp "$1/../volume" "$1/../dirty"');
      await rename(join(volume(), "../dirty"), volume());
      expect(await places("/swap")).toContain("not cleanly unmounted");
    });
  },
);

describeWith(
  ["mkfs.btrfs", "btrfs", "chattr", "xfs_io", "mount", "losetup", "loop", "root"],
  "a file of btrfs",
  () => {
    const { sh, make, contentOf, open: look } = opened("btrfs");
    const places = (path: string, subvolume?: string) =>
      look((reader) => btrfsFilePlaces(reader, "p1", path, subvolume));
    const newFile = 'f() { touch "$1"; chattr +C "$1"; head -c 3M /dev/urandom > "$1"; }\n';

    it.each([
      ["of one copy", ["-m", "single"]],
      ["with mirrored metadata", ["-m", "dup"]],
      ["with nodes of 4 KiB", ["-n", "4096"]],
    ])("is found, %s", async (_what, options) => {
      await make(options, `${newFile}mkdir "$1/d"; touch "$1"/d/name-{1..2000}; f "$1/d/swap"`);
      const expected = await contentOf("/d/swap");
      const found = await look(async (reader) =>
        bytesAt(reader, await btrfsFilePlaces(reader, "p1", "/d/swap", undefined)),
      );
      expect(found.equals(expected)).toBe(true);
    });

    it("is found in many pieces, reserved and written", async () => {
      await make([], inPieces);
      await isInPieces(await contentOf("/swap"), await places("/swap"), look);
    });

    it("is found in a subvolume, and in a nested one", async () => {
      const script = `${newFile}btrfs -q subvolume create "$1/root"; btrfs -q subvolume create "$1/root/swaps"
      f "$1/root/one"; f "$1/root/swaps/two"`;
      await make([], script);
      for (const path of ["/one", "/swaps/two"]) {
        const expected = await contentOf(`/root${path}`);
        const found = await look(async (reader) =>
          bytesAt(reader, await btrfsFilePlaces(reader, "p1", path, "root")),
        );
        expect(found.equals(expected)).toBe(true);
      }
      expect(await places("/one")).toBeUndefined();
    });

    it.each([
      ["that is copied when it changes", 'head -c 1M /dev/urandom > "$1/swap"', "does not change in place"],
      ["with holes", 'touch "$1/swap"; chattr +C "$1/swap"; truncate -s 1M "$1/swap"', "with holes"],
      [
        "of which there is a snapshot",
        `${newFile}f "$1/swap"; btrfs -q subvolume snapshot "$1" "$1/s"`,
        "may share",
      ],
      [
        "that another file shares",
        `${newFile}f "$1/swap"; sync; touch "$1/x"; chattr +C "$1/x"; cp --reflink=always "$1/swap" "$1/x"`,
        "may share",
      ],
    ])("%s is not taken for one", async (_what, script, words) => {
      await make([], script);
      expect(await places("/swap")).toContain(words);
    });

    it("that btrfs stores twice is not accepted", async () => {
      await make(["-d", "dup"], `${newFile}f "$1/swap"`);
      expect(await places("/swap")).toContain("stores twice");
    });

    it("that was rewritten after its last snapshot is accepted again", async () => {
      await make([], `${newFile}f "$1/swap"; btrfs -q subvolume snapshot "$1" "$1/s"`);
      await sh('btrfs -q subvolume delete -c "$1/s"; rm "$1/swap"; sync');
      await sh(`${newFile}f "$1/swap"`);
      const expected = await contentOf("/swap");
      const found = await look(async (reader) =>
        bytesAt(reader, await btrfsFilePlaces(reader, "p1", "/swap", undefined)),
      );
      expect(found.equals(expected)).toBe(true);
    });
  },
);

async function isInPieces(
  expected: Buffer,
  found: FilePlaces,
  look: ReturnType<typeof opened>["open"],
): Promise<void> {
  expect(found?.length).toBeGreaterThan(300);
  const bytes = await look((reader) => bytesAt(reader, found));
  expect(bytes.length).toBe(1000 * 4096);
  expect(bytes.subarray(0, writtenBytes).equals(expected.subarray(0, writtenBytes))).toBe(true);
}
