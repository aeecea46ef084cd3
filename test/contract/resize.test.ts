import { copyFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { putIntoPartition } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";
import { guestWorkshop } from "./guest-workshop.ts";
import { inUml } from "./uml-script.ts";

const mib = 1 << 20;
const needed = [
  "mke2fs",
  "resize2fs",
  "e2fsck",
  "sfdisk",
  "qemu-img",
  "linux.uml",
  "lvm",
  "mkfs.xfs",
  "xfs_repair",
];

describeWith(needed, "a disk that is made larger", () => {
  const shop = guestWorkshop("resize");

  async function disk(name: string, table: readonly string[], mebibytes = 100): Promise<string> {
    const image = join(shop.folder, name);
    await rm(image, { force: true });
    await host.run(["truncate", "-s", `${mebibytes}M`, image]);
    await host.run(["sfdisk", "-q", image], { input: `${table.join("\n")}\n` });
    return image;
  }

  const ext = (image: string, at: number, size: number, kind = "ext4") =>
    host.run([
      "mke2fs",
      "-q",
      "-F",
      "-t",
      kind,
      "-d",
      shop.root,
      "-E",
      `offset=${at * mib}`,
      image,
      `${size}M`,
    ]);

  async function judged(image: string, at: number): Promise<{ readonly bytes: number }> {
    await host.run(["sfdisk", "--verify", image]);
    await host.run(["e2fsck", "-fn", `${image}?offset=${at * mib}`]);
    const { stdout } = await host.run(["dumpe2fs", "-h", `${image}?offset=${at * mib}`]);
    const field = (name: string) => Number(new RegExp(`^${name}: +(\\d+)$`, "m").exec(stdout)?.[1]);
    return { bytes: field("Block count") * field("Block size") };
  }

  async function resized(image: string, ...more: string[]) {
    const before = await sha256Of(image);
    const planned = await shop.tbuild("resize", "--plan", "--size", "300M", ...more, image);
    expect(planned.exitCode, planned.stderr).toBe(0);
    expect(planned.stdout).toContain("disk: 100 MiB → 300 MiB");
    expect(await sha256Of(image)).toBe(before);
    const done = await shop.tbuild("resize", "--yes", "--size", "300M", ...more, image);
    expect([done.exitCode, done.stdout], done.stderr).toEqual([
      0,
      expect.stringContaining("done; undo with"),
    ]);
    return {
      planned: planned.stdout,
      async undone() {
        const { exitCode, stderr } = await shop.tbuild("undo", image);
        expect(exitCode, stderr).toBe(0);
        expect(await sha256Of(image)).toBe(before);
        expect((await readdir(shop.folder)).filter((name) => name.includes(".tbuild-"))).toEqual([]);
      },
    };
  }

  it.each([
    [
      "ext4 on an MBR",
      ["label: dos", "start=2048,size=40M,type=82", "size=+,type=83,bootable"],
      41,
      59,
      "ext4",
    ],
    ["ext3 on a GPT", ["label: gpt", "start=2048,size=40M", "size=58M"], 41, 50, "ext3"],
    [
      "ext4 in a logical partition",
      ["label: dos", "start=2048,size=20M,type=83", "size=+,type=5", "start=45056,size=70M,type=83"],
      22,
      60,
      "ext4",
    ],
  ] as const)(
    "has more space in %s, by real tools, and is restored by an undo",
    async (_name, table, at, size, kind) => {
      const image = await disk("one.img", table);
      await ext(image, at, size, kind);
      const { planned, undone } = await resized(image);
      expect((await stat(image)).size).toBe(300 * mib);
      expect(planned).toContain(
        `file system: ${size} MiB → ${Math.round((await judged(image, at)).bytes / mib)} MiB`,
      );
      expect((await judged(image, at)).bytes).toBeGreaterThan((300 - at - 3) * mib);
      // Holes stay holes: the new space takes none on this machine's disk.
      expect((await stat(image)).blocks * 512).toBeLessThan(100 * mib);
      expect((await shop.tbuild("cat", `${image}:/etc/oracle-release`)).stdout).toContain("6.10");
      // A second time nothing grows, and nothing is written.
      const grown = await sha256Of(image);
      expect((await shop.tbuild("resize", "--yes", "--size", "300M", image)).stdout).toContain(
        "nothing to resize",
      );
      expect(await sha256Of(image)).toBe(grown);
      await undone();
    },
  );

  it("is a qcow2, too", async () => {
    const raw = await disk("two.img", ["label: gpt", "start=2048,size=90M"]);
    await ext(raw, 1, 80);
    const image = join(shop.folder, "two.qcow2");
    await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image]);
    const { undone } = await resized(image);
    await host.run(["qemu-img", "check", "-q", image]);
    await host.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw]);
    expect((await judged(raw, 1)).bytes).toBeGreaterThan(295 * mib);
    await undone();
  });

  it("has no partition table", async () => {
    const image = join(shop.folder, "bare.img");
    await host.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", shop.root, image, "100M"]);
    const { undone } = await resized(image);
    await host.run(["e2fsck", "-fn", image]);
    expect((await shop.tbuild("cat", `${image}:/etc/oracle-release`)).stdout).toContain("6.10");
    await undone();
  });

  it("has a logical volume that LVM and the kernel accept afterwards", async () => {
    const image = await disk("lvm.img", ["label: dos", "start=2048,size=10M,type=83", "size=+,type=8e"]);
    const noUdev = "--config 'activation { udev_sync=0 udev_rules=0 }'";
    await inUml(
      [image],
      [
        `pvcreate -qq ${noUdev} /dev/ubda2; vgcreate -qq ${noUdev} vg-a /dev/ubda2`,
        `lvcreate -qq ${noUdev} -Zn -Wn -L 12M -n swap vg-a; mkswap -q /dev/mapper/vg--a-swap`,
        `lvcreate -qq ${noUdev} -Zn -Wn -L 40M -n root vg-a; mke2fs -q -t ext4 -d ${shop.root} /dev/mapper/vg--a-root`,
        `vgchange -an ${noUdev} vg-a`,
      ].join("\n"),
    );
    const { planned, undone } = await resized(image);
    expect(planned).toMatch(/p2: 89 MiB → 289 MiB/);
    expect(planned).toMatch(/vg-a\/root: 40 MiB → 2\d\d MiB/);
    const copy = join(shop.folder, "judged.img");
    await copyFile(image, copy);
    const said = await inUml(
      [copy],
      [
        `pvck ${noUdev} /dev/ubda2; vgck ${noUdev} vg-a; vgchange -qq -ay ${noUdev} vg-a`,
        "e2fsck -fn /dev/mapper/vg--a-root; blockdev --getsize64 /dev/mapper/vg--a-root",
        `dumpe2fs -h /dev/mapper/vg--a-root | grep 'Block count'; vgchange -an ${noUdev} vg-a`,
      ].join("\n"),
    );
    const bytes = Number(/^(\d{9})$/m.exec(said)?.[1]);
    expect(bytes, said).toBeGreaterThan(270 * mib);
    expect(Number(/Block count: +(\d+)/.exec(said)?.[1]) * 1024, said).toBeGreaterThan(bytes - 8 * mib);
    expect((await shop.tbuild("cat", `${image}:/etc/oracle-release`)).stdout).toContain("6.10");
    await undone();
  });

  it("has XFS", async () => {
    const image = await disk("xfs.img", ["label: dos", "size=+,type=83"], 400);
    const inside = join(shop.folder, "inside");
    await host.run(["truncate", "-s", "399M", inside]);
    await host.run(["mkfs.xfs", "-q", inside]);
    await putIntoPartition(image, inside);
    await rm(inside);
    const before = await sha256Of(image);
    const done = await shop.tbuild("resize", "--yes", "--size", "600M", image);
    expect(done.exitCode, done.stderr).toBe(0);
    await host.run(["dd", `if=${image}`, `of=${inside}`, "bs=1M", "skip=1", "conv=sparse", "status=none"]);
    await host.run(["xfs_repair", "-n", inside]);
    const { stdout } = await host.run(["xfs_db", "-r", "-c", "sb 0", "-c", "p dblocks", inside]);
    expect(Number(/\d+/.exec(stdout)?.[0]) * 4096).toBe(599 * mib);
    expect((await shop.tbuild("undo", image)).exitCode).toBe(0);
    expect(await sha256Of(image)).toBe(before);
  });

  it.each([
    ["smaller than it is", ["label: dos", "size=+,type=83"], ["--size", "50M"], 2, /cannot make it smaller/],
    [
      "swap last",
      ["label: dos", "start=2048,size=40M,type=83", "size=+,type=82"],
      [],
      2,
      /p2 is swap, and nothing after it can grow/,
    ],
    [
      "another partition",
      ["label: dos", "start=2048,size=40M,type=83", "size=+,type=82"],
      ["--volume", "p1"],
      2,
      /p1 cannot grow: p2 is after it/,
    ],
    ["no such volume", ["label: dos", "size=+,type=83"], ["--volume", "vg/x"], 2, /has no volume vg\/x/],
    ["more than an MBR has", ["label: dos", "size=+,type=83"], ["--size", "3T"], 2, /ends at 2 TiB/],
    [
      "nothing in it",
      ["label: gpt", "start=2048,size=40M", "size=+"],
      [],
      2,
      /contains no file system that tbuild knows/,
    ],
  ] as const)("is refused, with the reason: %s", async (what, table, args, code, why) => {
    const image = await disk("refused.img", table);
    await ext(image, 1, 39);
    if (what.startsWith("swap") || what.startsWith("another")) {
      const area = join(shop.folder, "area");
      await host.run(["truncate", "-s", "59M", area]);
      await host.run(["mkswap", "-q", area]);
      await host.run(["dd", `if=${area}`, `of=${image}`, "bs=1M", "seek=41", "conv=notrunc", "status=none"]);
    }
    const before = await sha256Of(image);
    const sized = args[0] === "--size" ? args : ["--size", "300M", ...args];
    const { exitCode, stderr } = await shop.tbuild("resize", "--yes", ...sized, image);
    expect([exitCode, stderr]).toEqual([code, expect.stringMatching(why)]);
    expect(await sha256Of(image)).toBe(before);
    expect((await readdir(shop.folder)).filter((name) => name.includes(".tbuild-"))).toEqual([]);
  });
});
