import { copyFile, mkdir, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { settle, undoLast, undoRecords } from "../../src/image/change/undo.ts";
import { describeWith } from "../fakes/missing.ts";
import { guestFolder, ol6Guest } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";
import { killed } from "./killed.ts";
import { inUml } from "./uml-script.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const mib = 1048576;
const needs = [
  "linux.uml",
  "mdadm",
  "pvcreate",
  "lvcreate",
  "mke2fs",
  "mkswap",
  "sfdisk",
  "qemu-img",
  "root",
];
const dirty = "root:$6$a$bcdefgh:1::::::";

function tbuild(...args: readonly string[]) {
  return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5, 6, 70] });
}

/** Pairs of members at these numbers of MiB, each with a name, a version of the superblock, and further options of mdadm. */
const arrays = [
  { device: "md0", name: "boot", version: "0.90", at: [1, 21], size: 20, more: "" },
  { device: "md1", name: "root", version: "1.2", at: [41, 81], size: 40, more: "--bitmap=internal" },
  { device: "md2", name: "2", version: "1.0", at: [121, 136], size: 15, more: "" },
  { device: "md3", name: "data", version: "1.1", at: [151, 171], size: 20, more: "" },
] as const;
const noUdev = "--config 'activation { udev_sync=0 udev_rules=0 }'";

async function bend(file: string, at: number, bytes: Uint8Array) {
  await using image = await open(file, "r+");
  await image.write(bytes, 0, bytes.length, at);
}

describeWith(needs, "a guest on mirrors (MD RAID1)", () => {
  let folder = "";
  let pristine = "";
  let image = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-mirror-"));
    [pristine, image] = [join(folder, "pristine.img"), join(folder, "disk.img")];
    const fstab = [
      "/dev/vg/root / ext4 defaults 1 1",
      "/dev/md0 /boot ext3 defaults 0 0",
      "/dev/md2 swap swap defaults 0 0",
      "LABEL=data /data ext4 defaults 0 0",
    ];
    const key = { "/etc/ssh/ssh_host_rsa_key": "a key", "/etc/shadow": `${dirty}\n`, "/data/.keep": "" };
    const root = await guestFolder({
      ...ol6Guest,
      files: { ...ol6Guest.files, ...key, "/etc/fstab": `${fstab.join("\n")}\n` },
    });
    await host.run(["truncate", "-s", "192M", pristine]);
    const rows = arrays.flatMap(({ at, size }) =>
      at.map((start) => `start=${start}MiB,size=${size}MiB,type=A19D880F-05FC-4D3B-A006-743F0F84911E`),
    );
    await host.run(["sfdisk", "-q", pristine], { input: `label: gpt\n${rows.join("\n")}\n` });
    const made = arrays.map(
      ({ device, name, version, more }, index) =>
        `mdadm --create /dev/${device} --run --homehost=any --name=${name} --metadata=${version} --level=1 ` +
        `--raid-devices=2 ${more} /dev/ubda${index * 2 + 1} /dev/ubda${index * 2 + 2} < /dev/null; mdadm --wait /dev/${device} || true`,
    );
    await inUml(
      [pristine],
      [
        ...made,
        "mke2fs -q -t ext3 /dev/md0; mke2fs -q -t ext4 -L data /dev/md3; mkswap -q /dev/md2",
        `echo '${dirty}' | dd of=/dev/md2 bs=1M seek=3 conv=notrunc`,
        `pvcreate -qq ${noUdev} /dev/md1; vgcreate -qq ${noUdev} vg /dev/md1`,
        `lvcreate -qq ${noUdev} -Zn -Wn -L 28M -n root vg; mke2fs -q -t ext4 -d ${root} /dev/mapper/vg-root`,
        `vgchange -an ${noUdev} vg; for m in md0 md1 md2 md3; do mdadm --stop /dev/$m; done`,
      ].join("\n"),
    );
    await rm(root, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const reset = () => copyFile(pristine, image);

  it("is sealed on all members in one change, and undone in one; the kernel finds them equal", async () => {
    await reset();
    const before = await sha256Of(image);
    const shown = (await tbuild("inspect", image)).stdout;
    expect(shown).toMatch(/md0 +ext3.*, a mirror \(MD RAID1\) of p1 and p2/);
    expect(shown).toContain("vg/root on /, md0 on /boot, md/data on /data");
    const sealed = await tbuild("seal", "--yes", "--scrub", image);
    expect([sealed.exitCode, sealed.stdout]).toEqual([0, expect.stringContaining("done; undo with")]);
    const checked = await tbuild("seal", "--check", "--residue", image);
    expect([checked.exitCode, checked.stdout]).toEqual([0, expect.stringContaining("nothing is pending")]);
    // Not even the swap of a member that is never read.
    expect((await host.run(["grep", "-c", "bcdefgh", image], { allow: [1] })).stdout.trim()).toBe("0");
    const copy = join(folder, "judged.img");
    await copyFile(image, copy);
    const judged = await inUml(
      [copy],
      [
        ...arrays.map(
          ({ device }, index) =>
            `mdadm --assemble --run /dev/${device} /dev/ubda${index * 2 + 1} /dev/ubda${index * 2 + 2}`,
        ),
        "grep -c '\\[UU\\]' /proc/mdstat",
        "for m in md0 md1 md2 md3; do echo check > /sys/block/$m/md/sync_action; mdadm --wait /dev/$m || true; done",
        "for m in md0 md1 md2 md3; do echo mismatch $m $(cat /sys/block/$m/md/mismatch_cnt); done",
        `vgchange -ay ${noUdev} vg; e2fsck -fn /dev/mapper/vg-root; e2fsck -fn /dev/md0; e2fsck -fn /dev/md3`,
        "mount -o ro /dev/mapper/vg-root /mnt; echo key $(ls /mnt/etc/ssh | wc -l); umount /mnt",
        `vgchange -an ${noUdev} vg; for m in md0 md1 md2 md3; do mdadm --stop /dev/$m; done`,
      ].join("\n"),
    );
    for (const { device } of arrays) expect(judged).toContain(`\nmismatch ${device} 0\n`);
    expect(judged).toContain("\nkey 0\n");
    await tbuild("undo", image);
    expect(await sha256Of(image)).toBe(before);
    expect((await readdir(folder)).filter((name) => name.startsWith("disk"))).toEqual(["disk.img"]);
  });

  it("in a qcow2 is sealed and scrubbed on all members", async () => {
    await reset();
    const qcow2 = join(folder, "disk.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", image, qcow2]);
    const before = await sha256Of(qcow2);
    expect((await tbuild("seal", "--yes", "--scrub", qcow2)).exitCode).toBe(0);
    await host.run(["qemu-img", "convert", "-O", "raw", qcow2, image]);
    expect((await host.run(["grep", "-c", "bcdefgh", image, qcow2], { allow: [1] })).stdout).toBe(
      `${image}:0\n${qcow2}:0\n`,
    );
    expect((await tbuild("seal", "--check", "--residue", image)).exitCode).toBe(0);
    await tbuild("undo", qcow2);
    expect(await sha256Of(qcow2)).toBe(before);
  });

  const oldBlock = (start: number, size: number) => (start + size) * mib - 65536;
  it.each([
    ["differ", 21 * mib + 5000, [1], "p1 and p2 differ, first at byte 5000"],
    ["have a wrong checksum", oldBlock(21, 20) + 200, [1], "p2 has a wrong checksum"],
    ["are not all there", oldBlock(21, 20), [0], "1 of its 2 members are available"],
  ] as const)(
    "whose members %s is left alone, and the other volumes are sealed",
    async (_what, at, bytes, words) => {
      await reset();
      await bend(image, at, Uint8Array.from(bytes));
      const before = await sha256Of(image);
      const part = async () => {
        await using file = await open(image);
        const { buffer } = await file.read(Buffer.alloc(40 * mib), 0, 40 * mib, mib);
        return buffer;
      };
      const was = await part();
      const { exitCode, stdout } = await tbuild("seal", "--yes", image);
      expect([exitCode, stdout]).toEqual([6, expect.stringContaining(words)]);
      expect((await part()).equals(was)).toBe(true);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    },
  );

  it("whose root cannot be opened is refused", async () => {
    await reset();
    await bend(image, 82 * mib + 70_000, Buffer.from("x"));
    const before = await sha256Of(image);
    const { exitCode, stderr } = await tbuild("seal", "--yes", image);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining("p3 and p4 differ, first at byte")]);
    expect(stderr).toContain("mdadm --assemble --scan");
    expect(await sha256Of(image)).toBe(before);
  });
});

describeWith(needs, "a guest on mirrors with a member in each of two images", () => {
  let folder = "";
  let pristine = "";
  let before: readonly string[] = [];
  const image = (name: string) => join(folder, name);
  const disks = () => [image("System.img"), image("mirror.img")];
  const stop = "for m in md0 md1 md2; do mdadm --stop /dev/$m; done";
  const assemble = [0, 1, 2]
    .map((n) => `mdadm --assemble --run /dev/md${n} /dev/ubda${n + 1} /dev/ubdb${n + 1}`)
    .join("\n");
  /** Checks with the kernel and e2fsck that the members in `copies` are equal, and have no SSH key. Removes the copies. */
  const expectEqualMembers = async (copies: readonly string[]) => {
    const judged = await inUml(
      copies,
      `${assemble}\ngrep -c '\\[UU\\]' /proc/mdstat; e2fsck -fn /dev/md0; e2fsck -fn /dev/md1
       for m in md0 md1 md2; do echo check > /sys/block/$m/md/sync_action; mdadm --wait /dev/$m || true; done
       for m in md0 md1 md2; do echo mismatch $m $(cat /sys/block/$m/md/mismatch_cnt); done
       mount -o ro /dev/md0 /mnt; echo key $(ls /mnt/etc/ssh | wc -l); umount /mnt\n${stop}`,
    );
    for (const name of ["md0", "md1", "md2"]) expect(judged).toContain(`\nmismatch ${name} 0\n`);
    expect(judged).toContain("\nkey 0\n");
    for (const copy of copies) await rm(copy);
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-mirrors-"));
    pristine = await mkdtemp(join(tmpdir(), "tbuild-mirrors-pristine-"));
    const fstab = [
      "/dev/md0 / ext4 defaults 1 1",
      "/dev/md1 /boot ext3 defaults 1 2",
      "/dev/md2 swap swap defaults 0 0",
    ];
    const key = { "/etc/ssh/ssh_host_rsa_key": "a key", "/etc/shadow": `${dirty}\n` };
    const root = await guestFolder({
      ...ol6Guest,
      files: { ...ol6Guest.files, ...key, "/etc/fstab": `${fstab.join("\n")}\n` },
    });
    const rows = [40, 20, 15].map((size) => `size=${size}MiB,type=fd`);
    for (const [disk, more] of [
      [disks()[0] ?? "", []],
      [disks()[1] ?? "", ["size=4MiB,type=83"]],
    ] as const) {
      await host.run(["truncate", "-s", "90M", disk]);
      await host.run(["sfdisk", "-q", disk], { input: `${[...rows, ...more].join("\n")}\n` });
    }
    const create = (n: number, name: string, version: string) =>
      `mdadm --create /dev/md${n} --run --homehost=any --name=${name} --metadata=${version} --level=1 ` +
      `--raid-devices=2 /dev/ubda${n + 1} /dev/ubdb${n + 1} < /dev/null; mdadm --wait /dev/md${n} || true`;
    await inUml(
      disks(),
      `${create(0, "root", "1.2")}\n${create(1, "boot", "0.90")}\n${create(2, "swap", "1.0")}
       mke2fs -q -t ext4 -d ${root} /dev/md0; mke2fs -q -t ext3 /dev/md1; mkswap -q /dev/md2
       echo '${dirty}' | dd of=/dev/md2 bs=1M seek=3 conv=notrunc
       echo '${dirty}' | dd of=/dev/ubdb4 bs=1M seek=1 conv=notrunc\n${stop}`,
    );
    await rm(root, { recursive: true });
    for (const disk of disks()) await copyFile(disk, join(pristine, basename(disk)));
    before = await Promise.all(disks().map(sha256Of));
  });
  beforeEach(async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    for (const disk of disks()) await copyFile(join(pristine, basename(disk)), disk);
  });
  afterAll(async () => {
    for (const one of [folder, pristine]) await rm(one, { recursive: true, force: true });
  });

  const isAsBefore = async () => {
    expect(await Promise.all(disks().map(sha256Of))).toEqual(before);
    expect((await readdir(folder)).sort()).toEqual(["System.img", "mirror.img"]);
  };

  it("is sealed in both by one change, and undone in both by the name of either; the kernel finds them equal", async () => {
    const planned = await tbuild("seal", "--plan", ...disks());
    expect(planned.stdout).toContain("not inspected: p4 of mirror.img contains unknown data");
    expect([planned.exitCode, planned.stdout]).toEqual([
      6,
      expect.stringMatching(/System\.img and \S*mirror\.img {2}Oracle/),
    ]);
    const { ranges } = JSON.parse((await tbuild("seal", "--plan", "--json", ...disks())).stdout);
    expect(ranges).toContainEqual(expect.objectContaining({ image: image("mirror.img") }));
    expect(planned.stdout.match(/ssh-host-keys/g)).toHaveLength(1);
    await isAsBefore();
    for (const [first, second] of [disks(), disks().reverse()] as [string, string][]) {
      const sealed = await tbuild("seal", "--yes", "--scrub", first, second);
      expect([sealed.exitCode, sealed.stdout], sealed.stderr).toEqual([
        0,
        expect.stringContaining("done in all of them"),
      ]);
      const checked = await tbuild("seal", "--check", "--residue", second, first);
      expect([checked.exitCode, checked.stdout]).toEqual([0, expect.stringContaining("nothing is pending")]);
      for (const disk of disks())
        expect((await host.run(["grep", "-c", "bcdefgh", disk], { allow: [1] })).stdout.trim()).toBe("0");
      expect((await readdir(folder)).sort()).toEqual(
        [
          "System.img",
          "mirror.img",
          `${basename(first)}.tbuild-undo-1`,
          `${basename(second)}.tbuild-with`,
        ].sort(),
      );
      const copies = disks().map((disk) => `${disk}.judged`);
      for (const [index, copy] of copies.entries()) await copyFile(disks()[index] ?? "", copy);
      await expectEqualMembers(copies);
      const shown = await tbuild("undo", "--list", second);
      expect(shown.stdout).toMatch(/seal: first-boot .*swap/);
      const undone = await tbuild("undo", second);
      expect(undone.stdout).toContain(`undone, in ${first} too: seal`);
      await isAsBefore();
    }
  });

  it.each([
    ["raw", "qcow2"] as const,
    ...(process.env.TBUILD_SLOW === "1" ? [["qcow2", "raw"] as const, ["qcow2", "qcow2"] as const] : []),
  ])(
    "in %s and %s is sealed in both by one change, and undone in both",
    async (...formats) => {
      const packed: string[] = [];
      for (const [index, format] of formats.entries()) {
        const raw = disks()[index] ?? expect.fail();
        if (format === "qcow2") await host.run(["qemu-img", "convert", "-O", "qcow2", raw, `${raw}.qcow2`]);
        if (format === "qcow2") await rm(raw);
        packed.push(format === "qcow2" ? `${raw}.qcow2` : raw);
      }
      const names = (await readdir(folder)).sort();
      const digests = await Promise.all(packed.map(sha256Of));
      const planned = await tbuild("seal", "--plan", ...packed);
      expect([planned.exitCode, planned.stderr]).toEqual([6, ""]);
      expect([await Promise.all(packed.map(sha256Of)), (await readdir(folder)).sort()]).toEqual([
        digests,
        names,
      ]);
      for (const options of [["--allow-unmounted"], ["--scrub"]]) {
        const sealed = await tbuild("seal", "--yes", ...options, ...packed);
        expect(sealed.stdout, sealed.stderr).toContain("done in all of them");
        const checked = await tbuild("seal", "--check", ...packed);
        expect(checked.stdout).toContain("nothing is pending");
        const copies = disks().map((disk) => `${disk}.judged`);
        for (const [index, file] of packed.entries())
          await host.run(["qemu-img", "convert", "-O", "raw", file, copies[index] ?? expect.fail()]);
        if (options.includes("--scrub"))
          for (const file of [...copies, ...packed])
            expect((await host.run(["grep", "-c", "bcdefgh", file], { allow: [1] })).stdout.trim()).toBe("0");
        await expectEqualMembers(copies);
        for (const file of packed.filter((one) => one.endsWith("qcow2")))
          await host.run(["qemu-img", "check", "-q", file]);
        await tbuild("undo", packed[1] ?? expect.fail());
        expect([await Promise.all(packed.map(sha256Of)), (await readdir(folder)).sort()]).toEqual([
          digests,
          names,
        ]);
      }
    },
    120_000,
  );

  it("is left alone if the members differ, one is a copy, or one is in use", async () => {
    await bend(image("mirror.img"), 20 * mib, Buffer.from("x"));
    const different = await tbuild("seal", "--yes", ...disks());
    expect([different.exitCode, different.stderr]).toEqual([
      3,
      expect.stringMatching(/p1 and p1 of mirror\.img differ, first at byte \d+/),
    ]);
    await copyFile(join(pristine, "mirror.img"), image("mirror.img"));
    await copyFile(image("mirror.img"), image("copy.img"));
    const twice = await tbuild("seal", "--yes", ...disks(), image("copy.img"));
    expect(twice.stderr).toContain(
      "p1 of mirror.img and p1 of copy.img have the same position in it: one is a copy",
    );
    await rm(image("copy.img"));
    await using _held = await open(image("mirror.img"), "r+");
    const used = await tbuild("seal", "--yes", ...disks());
    expect(used.stderr).toMatch(/mirror\.img: is in use/);
    await isAsBefore();
  });

  it.each(["raw", "qcow2"])(
    "with the second in %s, is complete in both after a kill at any moment of a seal or an undo",
    async (format) => {
      const seen = { before: 0, after: 0 };
      const kills = Number(process.env.TBUILD_KILLS ?? (format === "raw" ? 8 : 5));
      const second = join(pristine, "mirror.img");
      if (format === "qcow2")
        await host.run(["qemu-img", "convert", "-O", "qcow2", second, image("mirror.img")]);
      const digests = await Promise.all(disks().map(sha256Of));
      for (let round = 0; round < kills; round++) {
        const isUndo = round % 3 === 2;
        const seal = ["seal", "--yes", "--allow-unmounted", ...disks()];
        if (isUndo) await tbuild(...seal);
        const at = round % 2 ? Math.random() * 2500 : undefined;
        await killed(isUndo ? ["undo", image("mirror.img")] : seal, folder, at);
        // From whichever image it is opened first.
        for (const disk of round % 2 ? disks() : disks().reverse()) await settle(disk);
        const [records, others] = [
          await undoRecords(image("System.img")),
          await undoRecords(image("mirror.img")),
        ];
        expect(others).toEqual(records);
        seen[records.length === 0 ? "before" : "after"]++;
        if (records.length > 0) {
          const checked = await tbuild("seal", "--check", ...disks());
          expect(checked.stdout).toContain("nothing is pending in the inspected volumes; p4 of mirror.img");
          await undoLast(image("mirror.img"));
        }
        for (const disk of disks()) await rm(`${disk}.tbuild-lock`, { force: true });
        expect(await Promise.all(disks().map(sha256Of))).toEqual(digests);
        expect((await readdir(folder)).sort()).toEqual(["System.img", "mirror.img"]);
      }
      console.log(
        `${kills} kills of a change of two images, the second in ${format}: ${JSON.stringify(seen)}`,
      );
      expect(seen.before).toBeGreaterThan(0);
      expect(seen.after).toBeGreaterThan(0);
    },
    Number(process.env.TBUILD_KILLS ?? 18) * 20_000,
  );

  it("named alone is refused, with the name of the other member, and neither image is changed", async () => {
    // A copy of a member is not the other member, and neither is a file that is not an image.
    await copyFile(image("System.img"), image("copy.img"));
    await writeFile(image("notes.txt"), "");
    const refused = await tbuild("seal", "--yes", image("System.img"));
    expect([refused.exitCode, refused.stderr]).toEqual([
      3,
      expect.stringMatching(
        /1 of its 2 members are available, another is p1 of mirror\.img \(array md\/root, UUID [\da-f]{8}(:[\da-f]{8}){3}\)/,
      ),
    ]);
    expect(refused.stderr).toContain("name all of these images in one command");
    const other = await tbuild("seal", "--plan", image("mirror.img"));
    expect(other.stderr).toContain("others are p1 of System.img and p1 of copy.img");
    for (const name of ["copy.img", "notes.txt"]) await rm(image(name));
    await isAsBefore();
  });

  it("is refused, too, without the other image beside it: no image has the member", async () => {
    const apart = await mkdtemp(join(tmpdir(), "tbuild-apart-"));
    await copyFile(image("System.img"), join(apart, "System.img"));
    const { exitCode, stderr } = await tbuild("seal", "--yes", join(apart, "System.img"));
    await rm(apart, { recursive: true });
    expect(exitCode).toBe(3);
    expect(stderr).toContain(
      "1 of its 2 members are available, and no other image in this folder has one (array md/root",
    );
  });
});
