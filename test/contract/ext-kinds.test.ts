import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { undoLast } from "../../src/image/change/undo.ts";
import { missing } from "../fakes/missing.ts";
import { makeDirtyFolder } from "../guest/dirty-folder.ts";
import { emptyDisk } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, sha256Of } from "./dirty-image.ts";

interface Kind {
  /** For mke2fs. */
  readonly options: readonly string[];
  /** For the e2fsck that runs after the guest is copied in. */
  readonly check?: readonly string[];
  /** tbuild's own reader and writer support it. */
  readonly direct?: true;
  readonly mebibytes?: number;
  /** This machine's kernel mounts it and makes its files. */
  readonly isByKernel?: true;
}

const ext4 = (features: string, ...more: string[]): Kind => ({
  options: ["-t", "ext4", ...(features === "" ? [] : ["-O", features]), ...more],
});
const direct = (kind: Kind): Kind => ({ ...kind, direct: true });

/** The kinds in `make test`: one for each possible difference. */
const few: Readonly<Record<string, Kind>> = {
  "blocks of 1 KiB, no journal": direct({ options: ["-t", "ext2", "-b", "1024"] }),
  "blocks of 2 KiB, uninit_bg": direct(ext4("^metadata_csum,uninit_bg", "-b", "2048")),
  "blocks of 64 KiB": direct({ options: ["-t", "ext4", "-b", "65536"], mebibytes: 128 }),
  "inodes of 1 KiB, no flex_bg": direct(ext4("^flex_bg", "-I", "1024")),
  sparse_super2: direct(ext4("sparse_super2,^resize_inode")),
  "indexed folders with checksums": direct({ ...ext4(""), check: ["-D"] }),
  "folders that the kernel has indexed": direct({ ...ext4("", "-b", "1024"), isByKernel: true }),
  inline_data: ext4("inline_data"),
  meta_bg: ext4("meta_bg,^resize_inode"),
  bigalloc: ext4("bigalloc"),
};

const blocks = ["1024", "2048", "4096"];
const sets = [
  "^64bit,^metadata_csum",
  "64bit,^metadata_csum,uninit_bg",
  "metadata_csum,64bit",
  "^has_journal",
  "^flex_bg",
  "metadata_csum,metadata_csum_seed",
  "^extent,^64bit",
  "^dir_index",
  "^resize_inode",
  "^extra_isize,^huge_file,^dir_nlink",
];
const single = [
  "ea_inode",
  "casefold",
  "encrypt",
  "verity",
  "quota",
  "project,quota",
  "large_dir",
  "mmp",
  "stable_inodes",
  "orphan_file",
  "fast_commit",
  "inline_data,^metadata_csum",
  "meta_bg,^resize_inode,^metadata_csum",
  "bigalloc,^metadata_csum",
  "^filetype",
  "^sparse_super,^resize_inode",
  "^large_file",
  "sparse_super2,^resize_inode,^metadata_csum",
  "inline_data,ea_inode",
];

const many: Readonly<Record<string, Kind>> = Object.fromEntries([
  ...["ext2", "ext3", "ext4"].flatMap((type) =>
    blocks.flatMap((block) =>
      ["128", "256", "512", "1024"].map((inode): [string, Kind] => [
        `${type}, blocks of ${block}, inodes of ${inode}`,
        direct({ options: ["-t", type, "-b", block, "-I", inode] }),
      ]),
    ),
  ),
  ...sets.flatMap((set) =>
    blocks.map((block): [string, Kind] => [`${set}, blocks of ${block}`, direct(ext4(set, "-b", block))]),
  ),
  ...single.map((set): [string, Kind] => [set, ext4(set)]),
  ...["1", "2", "64"].map((flex): [string, Kind] => [
    `${flex} groups in one, each of 2048 blocks`,
    direct(ext4("", "-G", flex, "-g", "2048", "-b", "1024")),
  ]),
  ...["16384", "32768"].map((block): [string, Kind] => [
    `blocks of ${block}`,
    direct({ options: ["-t", "ext4", "-b", block], mebibytes: 128 }),
  ]),
  ["created by Hurd", { options: ["-t", "ext2", "-o", "hurd"] }],
  ["revision 0", { options: ["-t", "ext2", "-r", "0", "-b", "1024"] }],
  ["hash seed and label", direct(ext4("", "-L", "root", "-U", "random"))],
  ["lazy tables", direct(ext4("uninit_bg", "-E", "lazy_itable_init=1,lazy_journal_init=1"))],
  ["fully written tables", direct(ext4("", "-E", "lazy_itable_init=0,lazy_journal_init=0"))],
  ["hardly any inodes", direct(ext4("", "-N", "2100"))],
  ["no reserved blocks", direct(ext4("", "-m", "0"))],
]);

async function copyByKernel(root: string, image: string): Promise<void> {
  const at = await mkdtemp(join(tmpdir(), "tbuild-kinds-at-"));
  await host.run(["mount", "-o", "loop", image, at]);
  try {
    await host.run(["cp", "-a", `${root}/.`, at]);
  } finally {
    await unmountImage(at);
    await rm(at, { recursive: true });
  }
}

const lacking = missing("mke2fs", "e2fsck", "debugfs", "mount", "losetup", "loop", "root");

describe.skipIf(lacking !== undefined)(
  `a guest is sealed and comes back, on ext with${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let folder = "";
    let root = "";
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-kinds-"));
      root = join(folder, "root");
      await makeDirtyFolder(root, 900);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it.each(Object.entries(process.env.TBUILD_SLOW === "1" ? { ...few, ...many } : few))(
      "%s",
      async (_name, { options, check = [], direct: isDirect, isByKernel = false, mebibytes = 64 }) => {
        const image = join(folder, "disk.img");
        const inside = join(folder, "inside");
        await emptyDisk(image, mebibytes);
        // Without an offset: mke2fs and e2fsck forget it when they reopen the file, for example for MMP and quotas.
        const files = isByKernel ? [] : ["-d", root];
        await host.run(["mke2fs", "-q", "-F", ...options, ...files, inside, `${mebibytes - 1}M`]);
        if (isByKernel) await copyByKernel(root, inside);
        await host.run(["e2fsck", "-fy", ...check, inside], { allow: [1] });
        const copy = ["bs=1M", "conv=notrunc,sparse", "status=none"];
        await host.run(["dd", `if=${inside}`, `of=${image}`, "seek=1", ...copy]);
        await rm(inside);
        const isSound = async () => {
          await host.run(["dd", `if=${image}`, `of=${inside}`, "skip=1", ...copy]);
          await host.run(["e2fsck", "-fn", inside]);
          await rm(inside);
        };
        await isSound();
        const digest = await sha256Of(image);
        const operations = sealOperations();
        {
          await using planned = await planJob(host, image, { operations });
          expect(await sha256Of(image)).toBe(digest);
          expect(planned.pieces.length).toBeGreaterThan(0);
          if (isDirect) expect(planned.via).toBe("direct");
          await planned.apply("seal");
        }
        await isSound();
        expect((await checkImage(host, image, { operations })).pending).toEqual([]);
        await undoLast(image);
        expect(await sha256Of(image)).toBe(digest);
        await rm(image);
      },
    );
  },
);
