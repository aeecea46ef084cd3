import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import type { Mount } from "../../src/image/access.ts";
import { draftOf } from "../../src/image/change/draft.ts";
import { draftTree } from "../../src/image/change/draft-tree.ts";
import { changeImage } from "../../src/image/change/undo.ts";
import type { GuestTree } from "../../src/image/tree.ts";
import { mountedTree } from "../../src/image/ways/mounted-tree.ts";
import { accesses } from "../../src/image/ways/table.ts";
import { fileReader } from "../../src/io/reader.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { itWith, missing } from "../fakes/missing.ts";
import { throughShell } from "../fakes/through-shell.ts";
import { fixture, guestTreeContract } from "./guest-tree.ts";
import { makeFolder, onVolume } from "./guest-volume.ts";

const host = localHost();
const needsTools = missing("debugfs", "e2fsck", "mke2fs", "sfdisk", "root");

guestTreeContract("memory", async () => {
  const tree = memoryTree(fixture.files, { links: fixture.links });
  return { open: async () => tree };
});

const kinds = {
  "ext4 with metadata_csum and 64bit": ["-t", "ext4", "-O", "64bit,metadata_csum"],
  "ext4 as OL6 makes it": ["-t", "ext4", "-O", "^64bit,^metadata_csum"],
  "ext3 with 128-byte inodes": ["-t", "ext3", "-I", "128"],
  "ext2 with 4096-byte blocks": ["-t", "ext2", "-b", "4096"],
};

for (const [kind, options] of Object.entries(kinds)) {
  guestTreeContract(`debugfs: ${kind}`, () => onImage("debugfs", options), needsTools);
  guestTreeContract(`draft: ${kind}`, () => onImage("draft", options), needsTools);
}

guestTreeContract(
  "debugfs: /boot and /var apart",
  () => onImage("debugfs", ["-t", "ext4"], "apart"),
  needsTools,
);
guestTreeContract(
  "loop: ext4",
  () => onImage("loop", ["-t", "ext4"]),
  missing("mount", "losetup", "mke2fs", "sfdisk", "root", "loop"),
);
guestTreeContract(
  "uml: xfs",
  () => onVolume(accesses.uml(host), "xfs"),
  missing("linux.uml", "mkfs.xfs", "mount", "losetup", "root", "loop"),
);
guestTreeContract(
  "uml: btrfs on a logical volume in two pieces",
  () => onVolume(accesses.uml(host), "btrfs", { halves: [200, 8] }),
  missing("linux.uml", "dmsetup", "mkfs.btrfs", "mount", "losetup", "root", "loop"),
);
guestTreeContract(
  "loop: xfs",
  () => onVolume(accesses.loop(host), "xfs"),
  missing("mkfs.xfs", "mount", "losetup", "root", "loop"),
);
// Each of its fifteen openings starts a machine, half a minute under TCG: `make torture` has the time.
if (process.env.TBUILD_SLOW === "1")
  guestTreeContract(
    "guestfish: ext4",
    () => onImage("guestfish", ["-t", "ext4"]),
    missing("guestfish", "mke2fs", "sfdisk", "root"),
  );
guestTreeContract("mounted: a folder of this machine", () => onFolder(host), missing("find", "root"));
guestTreeContract(
  "mounted: over a shell, as ssh does it",
  () => onFolder(throughShell()),
  missing("find", "root"),
);

for (const name of ["loop", "uml"] as const)
  itWith(
    ["linux.uml", "mkfs.xfs", "mount", "losetup", "root", "loop"],
    `${name}: a volume is never mounted where a link of the guest leads`,
    async () => {
      const { image, mounts, after } = await onVolume(accesses[name](host), "xfs");
      const victim = await mkdtemp(join(tmpdir(), "tbuild-victim-"));
      const [root] = mounts;
      {
        await using tree = await accesses[name](host).open(image, mounts);
        await tree.link("/boot", victim);
      }
      const opening = accesses[name](host).open(image, [
        ...mounts,
        { ...(root ?? expect.fail()), at: "/boot" },
      ]);
      await expect(opening).rejects.toMatchObject({
        lines: [expect.stringContaining("/boot: the guest mounts")],
      });
      expect(await readFile("/proc/mounts", "utf8")).not.toContain(victim);
      expect(await readdir(victim)).toEqual([]);
      await rm(victim, { recursive: true });
      await after();
    },
  );

async function onImage(name: keyof typeof accesses | "draft", options: readonly string[], apart?: "apart") {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-tree-"));
  const image = join(folder, "disk.img");
  const root = join(folder, "root");
  await makeFolder(root);
  const mounts: Mount[] = [];
  const make = async (at: string, from: string, start: number) => {
    const place = `offset=${start * 1048576}`;
    await host.run(["mke2fs", "-q", "-F", ...options, "-E", place, "-d", from, image, "20M"]);
    const volume = { name: `p${mounts.length + 1}`, offset: start * 1048576, bytes: 20 * 1048576 };
    mounts.push({ at, volume: { ...volume, fs: "ext4" } });
  };
  await host.run(["truncate", "-s", "80M", image]);
  if (apart) {
    await make("/var", join(root, "var"), 30);
    await host.run(["find", join(root, "var"), "-mindepth", "1", "-delete"]);
  }
  await make("/", root, 1);
  // guestfish asks the kernel where the partitions are.
  const parts = mounts.map(({ volume }) => `start=${volume.offset / 512}, size=${volume.bytes / 512}\n`);
  await host.run(["sfdisk", "-q", "--wipe", "never", image], { input: parts.join("") });
  return {
    open: () => (name === "draft" ? openDraft(image, mounts) : accesses[name](host).open(image, mounts)),
    async after() {
      for (const { volume } of mounts)
        expect((await host.run(["e2fsck", "-fn", `${image}?offset=${volume.offset}`])).stdout).toContain(
          "Pass 5",
        );
      await rm(folder, { recursive: true });
    },
  };
}

// A draft that is written to the image when the tree is closed.
async function openDraft(image: string, mounts: readonly Mount[]): Promise<GuestTree> {
  const reader = await fileReader(image);
  const draft = draftOf(reader);
  const tree = await draftTree(draft, mounts);
  return Object.assign(tree, {
    async [Symbol.asyncDispose]() {
      await tree.commit();
      const pieces = await draft.pieces();
      await reader[Symbol.asyncDispose]();
      if (pieces.length > 0)
        await changeImage(image, pieces, { what: "test", when: "now", bytes: reader.bytes });
    },
  });
}

async function onFolder(on: Host) {
  const folder = await mkdtemp(join(tmpdir(), "tbuild tree-"));
  const root = join(folder, "root");
  await makeFolder(root);
  return {
    open: async () => mountedTree(on, root),
    after: () => rm(folder, { recursive: true }),
  };
}
