import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newVolumeIds, renameVolumes } from "../../src/guest/convert/volume-names.ts";
import { writeVolumeIds } from "../../src/image/change/volume-ids.ts";
import { openImageFile } from "../../src/image/open.ts";
import { uuidOf } from "../../src/model/uuid.ts";
import { missing } from "../fakes/missing.ts";
import { addSwap, extDisk, ol6Guest } from "../guest-image.ts";
import { host } from "./dirty-image.ts";

const lacking = missing("mke2fs", "mkswap", "blkid", "e2fsck", "tune2fs", "qemu-img");
const mib = 1 << 20;
const [swapAt, swapBytes] = [40 * mib, 20 * mib];
const [root, swap] = ["11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"];

describe.skipIf(lacking !== undefined)(`ids of volumes${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-volume-ids-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function disk(name: string, options: readonly string[]): Promise<string> {
    const image = join(folder, name);
    const files = {
      ...ol6Guest.files,
      "/etc/fstab": `UUID=${root} / ext4 defaults 1 1\nUUID=${swap.toUpperCase()} swap swap defaults 0 0\n`,
      "/boot/grub/grub.conf": `title x\n kernel /vmlinuz ro root=UUID=${root} quiet\n`,
    };
    await extDisk(image, { ...ol6Guest, files }, { mebibytes: 40, options: [...options, "-U", root] });
    await addSwap(image, { at: swapAt, bytes: swapBytes, options: ["-U", swap] });
    return image;
  }

  /** As the step does it. */
  async function named(image: string) {
    const ids = await (async () => {
      await using opened = await openImageFile(host, image);
      const found = newVolumeIds(opened.mounts, opened.volumes, uuidOf);
      await renameVolumes(opened.tree, found);
      return found;
    })();
    await writeVolumeIds(host, image, ids);
    return ids;
  }

  it.each([
    ["ext3", ["-t", "ext3"]],
    ["ext4 as EL6 makes it", ["-t", "ext4", "-O", "^metadata_csum,^64bit,uninit_bg"]],
    ["ext4 with checksums of all metadata", ["-t", "ext4", "-O", "metadata_csum"]],
  ])("are changed in %s, in swap, and in all files that name them", async (_name, options) => {
    const image = await disk("one.img", options);
    expect((await named(image)).size).toBe(2);
    const { exitCode, stdout } = await host.run(["e2fsck", "-fn", `${image}?offset=${mib}`], { allow: [4] });
    expect(exitCode, stdout).toBe(0);
    const idAt = async (at: number, bytes: number) =>
      (
        await host.run(["blkid", "-p", "-o", "value", "-s", "UUID", "-O", `${at}`, "-S", `${bytes}`, image])
      ).stdout.trim();
    expect(await idAt(mib, 39 * mib)).toBe(uuidOf("/"));
    expect(await idAt(swapAt, swapBytes)).toBe(uuidOf("swap"));
    await using opened = await openImageFile(host, image, { readOnly: true });
    expect(await opened.tree.text("/etc/fstab")).toBe(
      `UUID=${uuidOf("/")} / ext4 defaults 1 1\nUUID=${uuidOf("swap")} swap swap defaults 0 0\n`,
    );
    expect(await opened.tree.text("/boot/grub/grub.conf")).toContain(`root=UUID=${uuidOf("/")} quiet`);
    // The guest still finds its root by its UUID.
    expect(opened.mounts.map(({ at }) => at)).toEqual(["/"]);
  });

  it("are not changed twice, and are changed in a qcow2, too", async () => {
    const [raw, image] = [await disk("two.img", ["-t", "ext4"]), join(folder, "two.qcow2")];
    await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]);
    expect((await named(image)).size).toBe(2);
    await copyFile(image, join(folder, "same.qcow2"));
    expect((await named(image)).size).toBe(0);
    expect(await readFile(image)).toEqual(await readFile(join(folder, "same.qcow2")));
  });
});
