import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { imageFacts, type OpenedImage, openImageFile } from "../../src/image/open.ts";
import type { GuestTree } from "../../src/image/tree.ts";
import { itWith, missing } from "../fakes/missing.ts";
import { emptyDisk, extDisk, ol6Guest } from "../guest-image.ts";
import { fixture, guestTreeContract } from "./guest-tree.ts";

const host = localHost();
const lacking = missing("mke2fs", "qemu-img", "debugfs");
const skipped = lacking ? ` — skipped: ${lacking}` : "";
const mib = 1048576;

let folder: string;
let raw: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-image-"));
  raw = join(folder, "raw.img");
  if (lacking === undefined) await extDisk(raw, ol6Guest);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const convert = (format: string, to: string, ...more: string[]) =>
  host
    .run(["qemu-img", "convert", "-O", format, ...more, raw, join(folder, to)])
    .then(() => join(folder, to));

for (const [name, readOnly] of [
  ["qcow2 in a chain, through its raw view", false],
  ["direct: qcow2 in a chain, compressed below, read in process", true],
] as const)
  guestTreeContract(
    name,
    async () => {
      const at = await mkdtemp(join(tmpdir(), "tbuild-qcow2-"));
      const [disk, base, top] = ["disk.img", "base.qcow2", "top.qcow2"].map((file) => join(at, file));
      const files = { ...fixture.files, "/etc/fstab": "/dev/sda1 / ext4 defaults 1 1\n" };
      await extDisk(disk ?? "", { files, links: fixture.links });
      await host.run(["qemu-img", "convert", "-c", "-O", "qcow2", disk ?? "", base ?? ""]);
      await host.run([
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        "base.qcow2",
        "-F",
        "qcow2",
        top ?? "",
      ]);
      const opened = (readOnly: boolean) => async () => {
        const image = await openImageFile(host, top ?? "", { readOnly });
        return treeOf(image);
      };
      const before = await readFile(base ?? "");
      return {
        open: opened(false),
        ...(readOnly && { openToRead: opened(true) }),
        async after() {
          expect((await readFile(base ?? "")).equals(before)).toBe(true);
          await host.run(["qemu-img", "check", "-q", top ?? ""]);
          await host.run(["qemu-img", "convert", "-O", "raw", top ?? "", `${disk}.after`]);
          expect((await host.run(["e2fsck", "-fn", `${disk}.after?offset=${mib}`])).stdout).toContain(
            "Pass 5",
          );
          await rm(at, { recursive: true });
        },
      };
    },
    missing("mke2fs", "qemu-img", "qemu-storage-daemon", "debugfs", "root"),
  );

// Only the tree; closing it also closes the image.
function treeOf(image: OpenedImage): GuestTree {
  return new Proxy(image.tree, {
    get(tree, key) {
      if (key === Symbol.asyncDispose) return () => image[Symbol.asyncDispose]();
      const value = Reflect.get(tree, key, tree);
      return typeof value === "function" ? value.bind(tree) : value;
    },
  });
}

describe.skipIf(lacking !== undefined)(`an image file${skipped}`, () => {
  it.each([
    ["vmdk", [], "is a VMDK image"],
    ["vpc", ["-o", "subformat=fixed,force_size"], "is a fixed VHD image"],
    ["vpc", ["-o", "subformat=dynamic"], "is a dynamic VHD image"],
    ["parallels", [], "is a Parallels image"],
    ["qed", [], "is a QED image"],
    ["vdi", [], "is a VDI image"],
    ["vhdx", [], "is a VHDX image"],
  ] as const)("in the format %s is named, with the command that converts it", async (format, more, words) => {
    const image = await convert(format, `foreign.${format}`, ...more);
    await expect(imageFacts(image)).rejects.toMatchObject({
      fault: "usage",
      message: expect.stringContaining(words),
      hint: expect.stringContaining("qemu-img convert"),
    });
  });

  it.each([
    ["gzip", ["gzip", "-1"]],
    ["xz", ["xz", "-0"]],
    ["bzip2", ["bzip2", "-1"]],
    ["zstd", ["zstd", "-q", "-1"]],
  ] as const)("compressed with %s is named, with the command that unpacks it", async (name, argv) => {
    const packed = join(folder, `packed.${name}`);
    await writeFile(packed, (await host.run([...argv, "-c", raw])).bytes);
    await expect(imageFacts(packed)).rejects.toThrow(`is compressed with ${name}`);
  });

  it("that is empty, a folder or missing is reported as such", async () => {
    await writeFile(join(folder, "empty.img"), "");
    await expect(imageFacts(join(folder, "empty.img"))).rejects.toThrow("is empty");
    await expect(imageFacts(folder)).rejects.toThrow("is a folder");
    await expect(imageFacts(join(folder, "none.img"))).rejects.toMatchObject({ fault: "usage" });
  });

  it("that is truncated is refused, raw and qcow2, at any place", async () => {
    const qcow2 = await convert("qcow2", "whole.qcow2");
    const whole = (await readFile(qcow2)).length;
    for (const [image, bytes] of [
      [raw, 30 * mib],
      [raw, 1.5 * mib],
      [qcow2, Math.floor(whole / 2)],
      [qcow2, 65536 * 3],
      [qcow2, 60],
    ] as const) {
      const cut = join(folder, "cut.img");
      await copyFile(image, cut);
      await truncate(cut, bytes);
      await expect(openImageFile(host, cut)).rejects.toMatchObject({
        fault: "integrity",
        message: expect.stringContaining("is cut off"),
      });
    }
  });

  it("with half a sector at its end is refused", async () => {
    const odd = join(folder, "odd.img");
    await copyFile(raw, odd);
    await truncate(odd, 40 * mib + 100);
    await expect(openImageFile(host, odd)).rejects.toThrow("not a whole number of sectors");
  });

  it("whose chain has a gap or a loop is refused, and the file is named", async () => {
    const chain = (name: string, below: string) =>
      host.run([
        "qemu-img",
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        below,
        "-F",
        "qcow2",
        join(folder, name),
        "40M",
      ]);
    await chain("lonely.qcow2", "gone.qcow2");
    await expect(imageFacts(join(folder, "lonely.qcow2"))).rejects.toThrow(
      `${join(folder, "gone.qcow2")}: there is no such file`,
    );
    await chain("one.qcow2", "two.qcow2");
    await chain("two.qcow2", "one.qcow2");
    await expect(imageFacts(join(folder, "one.qcow2"))).rejects.toThrow("refers back to it");
  });

  it.each([
    ["is encrypted", 35, 1],
    ["is marked as corrupt", 79, 2],
    ["its data in another file", 79, 4],
    ["an unknown feature", 78, 1],
    ["clusters of 2^255 bytes", 23, 255],
  ])("in qcow2 that %s is refused", async (words, at, value) => {
    const image = await convert("qcow2", "strange.qcow2");
    await using file = await open(image, "r+");
    await file.write(Buffer.from([value]), 0, 1, at);
    await expect(imageFacts(image)).rejects.toThrow(words);
  });

  it("that another program has open for writing is refused, and read with a note", async () => {
    const held = join(folder, "held.img");
    await copyFile(raw, held);
    const holder = spawn("sh", ["-c", 'exec 3<>"$0"; echo; exec sleep 60', held], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(holder.stdout, "data");
      await expect(openImageFile(host, held)).rejects.toThrow(/is in use, by \w+ \(process \d+\)/);
      const notes: string[] = [];
      await using read = await openImageFile(host, held, {
        readOnly: true,
        note: (text) => notes.push(text),
      });
      expect(await read.tree.text("/etc/sysconfig/ovmd")).toBe("INITIAL_CONFIG=no\n");
      expect(notes.join()).toContain("is in use");
    } finally {
      holder.kill();
    }
  });

  itWith(["losetup", "root", "loop"], "that is a loop device is refused, by any of its names", async () => {
    const { stdout } = await host.run(["losetup", "--find", "--show", "-r", raw]);
    try {
      await host.run(["ln", raw, join(folder, "other-name.img")]);
      await expect(openImageFile(host, join(folder, "other-name.img"))).rejects.toThrow(stdout.trim());
    } finally {
      await host.run(["losetup", "-d", stdout.trim()]);
    }
  });

  it("that qemu has open is refused", async () => {
    const image = await convert("qcow2", "locked.qcow2");
    const pid = join(folder, "pid");
    const blockdev = JSON.stringify({ driver: "file", "node-name": "f", filename: image });
    await host.run([
      ...["qemu-storage-daemon", "--blockdev", blockdev, "--blockdev", "driver=qcow2,node-name=n,file=f"],
      ...[
        "--nbd-server",
        `addr.type=unix,addr.path=${folder}/nbd`,
        "--export",
        "type=nbd,id=e,node-name=n,writable=on",
      ],
      ...["--daemonize", "--pidfile", pid],
    ]);
    try {
      await expect(openImageFile(host, image)).rejects.toThrow("qemu, which writes to it");
    } finally {
      await host.run(["kill", (await readFile(pid, "utf8")).trim()]);
    }
  });

  it("without a guest, or with garbage only, is reported as such", async () => {
    const blank = join(folder, "blank.img");
    await emptyDisk(blank, 8);
    await expect(openImageFile(host, blank, { readOnly: true })).rejects.toMatchObject({ fault: "guest" });
    const garbage = Buffer.alloc(2 * mib, "\xff\x03garbage\0\x55\xaa", "latin1");
    await writeFile(blank, garbage);
    await expect(openImageFile(host, blank, { readOnly: true })).rejects.toMatchObject({ fault: "guest" });
  });

  it("says which access method opened it, and why the earlier ones failed", async () => {
    await using read = await openImageFile(host, raw, { readOnly: true });
    expect(read.access.name).toBe("direct");
    await using write = await openImageFile(host, raw);
    expect(write.access.name).toBe("debugfs");
    expect(write.why).toEqual(["direct: only reads"]);
    await expect(openImageFile(host, raw, { via: "direct" })).rejects.toThrow("no access method works here");
  });
});
