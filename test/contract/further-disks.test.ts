import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmCfg } from "../../src/bundles/write/vm-cfg.ts";
import { localHost } from "../../src/host/local.ts";
import { fstabLine, furtherDiskName, makeFurtherDisks } from "../../src/provision/further-disks.ts";
import { Recipe } from "../../src/recipe/recipe.ts";
import { describeWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const disks = Recipe.shape.disks.parse([
  { size: "64M", fs: "ext3", mount: "/u01", options: "noatime" },
  { size: "100M" },
  { size: "64M", fs: "ext4", mount: "/u02" },
]);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-further-disks-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeWith(["mke2fs", "e2fsck", "dumpe2fs"], "the further disks of a recipe", () => {
  it("are files with holes: blank, or with a file system that the kernels of EL5 and EL6 know", async () => {
    const files = await makeFurtherDisks(host, { name: "mine", disks }, folder);
    expect(files).toEqual([0, 1, 2].map((index) => join(folder, `${furtherDiskName(index)}.img`)));
    const facts = async (file: string) => {
      await host.run(["e2fsck", "-fn", file]);
      const { stdout } = await host.run(["dumpe2fs", "-h", file]);
      const fact = (name: string) => new RegExp(`^${name}: +(.*)$`, "m").exec(stdout)?.[1];
      return [fact("Filesystem volume name"), fact("Filesystem features")];
    };
    const old = "has_journal ext_attr resize_inode dir_index filetype";
    expect(await facts(files[0] ?? "")).toEqual(["tbuild-disk2", `${old} sparse_super large_file`]);
    const [label, features] = await facts(files[2] ?? "");
    expect(label).toBe("tbuild-disk4");
    expect(features).toContain(old);
    expect(features).toMatch(/extent flex_bg/);
    expect(features).not.toMatch(/64bit|metadata_csum/);
    const blank = await stat(files[1] ?? "");
    expect([blank.size, blank.blocks]).toEqual([100 << 20, 0]);
    // The same recipe has the same disks.
    const again = await mkdtemp(join(folder, "again-"));
    const [first = ""] = await makeFurtherDisks(host, { name: "mine", disks }, again);
    const uuid = async (file: string) =>
      (await host.run(["dumpe2fs", "-h", file])).stdout.match(/UUID: .*/)?.[0];
    expect(await uuid(first)).toBe(await uuid(files[0] ?? ""));
  });

  it("are mounted by label, where they are there", () => {
    const [one, , other] = disks;
    if (!one || !other) throw new Error("none");
    expect(fstabLine({ release: "ol5" }, one, 0)).toBe("LABEL=tbuild-disk2 /u01 ext3 noatime 0 0");
    expect(fstabLine({ release: "ol7" }, other, 2)).toBe("LABEL=tbuild-disk4 /u02 ext4 defaults,nofail 0 0");
  });

  it("are xvdb and so on in Oracle VM", () => {
    const system = {
      name: "System",
      digest: `sha256:${"b".repeat(64)}`,
      bytes: 1 << 20,
      dataBytes: 0,
    } as const;
    const further = ["Disk2", "Disk3"].map((name) => ({ ...system, name }));
    const manifest = sampleManifest(system, { disks: [system, ...further] });
    expect(Buffer.from(vmCfg(manifest)).toString()).toContain(
      `disk = ['file:${system.name}.img,xvda,w', 'file:Disk2.img,xvdb,w', 'file:Disk3.img,xvdc,w']`,
    );
  });
});
