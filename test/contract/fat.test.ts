import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { draftOf } from "../../src/image/change/draft.ts";
import { freeBlocks } from "../../src/image/change/free-space.ts";
import { changeFat } from "../../src/image/fat/editor.ts";
import { openFat } from "../../src/image/fat/fat.ts";
import { bytesReader, fileReader } from "../../src/io/reader.ts";

// We read what mkfs.fat and mtools make, and fsck.fat accepts our changes.
const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const mib = 1024 * 1024;
const cannot = (what: string) => new Error(what);

const kinds = {
  FAT12: { size: 2 * mib, options: ["-F", "12"] },
  FAT16: { size: 20 * mib, options: ["-F", "16"] },
  FAT32: { size: 40 * mib, options: ["-F", "32", "-s", "1"] },
};

const names = {
  "EFI/redhat/grubx64.efi": Buffer.alloc(70_000, "grub"),
  "EFI/redhat/grub.cfg": Buffer.from("search root\n"),
  "loader/random-seed": Buffer.alloc(512, "seed"),
  "loader/entries/0123456789abcdef0123456789abcdef-5.14.0.conf": Buffer.from("title x\n"),
  "A name with blanks, and long enough for three entries of thirteen.txt": Buffer.from("long"),
  "UPPER.TXT": Buffer.from("upper"),
  "lower.txt": Buffer.from("lower"),
  empty: Buffer.alloc(0),
};

describe.each(Object.entries(kinds))("%s", (kind, { size, options }) => {
  let folder: string;
  let image: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-fat-"));
    image = join(folder, "fat.img");
    await makeFat(image, 0, size, options, folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("is read: names, folders, contents, without regard to case", async () => {
    await using reader = await fileReader(image);
    const files = await openFat(reader);
    expect((await files.list("/")).sort()).toEqual(
      ["EFI", "loader", ...Object.keys(names).filter((name) => !name.includes("/"))].sort(),
    );
    expect(await files.list("/EFI/redhat")).toEqual(["grubx64.efi", "grub.cfg"]);
    for (const [name, data] of Object.entries(names)) {
      expect(await files.stat(`/${name}`)).toMatchObject({ kind: "file", size: data.length });
      expect(Buffer.compare(await files.readFile(`/${name.toUpperCase()}`), data)).toBe(0);
    }
    expect(await files.stat("/EFI")).toMatchObject({ kind: "dir" });
    expect(await files.stat("/EFI/none")).toBeUndefined();
    expect(await files.stat("/lower.txt/x")).toBeUndefined();
  });

  it("is sound after files are removed and overwritten", async () => {
    const draft = draftOf(bytesReader(await readFile(image)));
    const was = { kind: "file", mode: 0o600, uid: 0, gid: 0, size: 1 } as const;
    const long = "/A name with blanks, and long enough for three entries of thirteen.txt";
    const data = Buffer.from("search other\n");
    await changeFat(
      draft,
      [
        { kind: "remove", path: "/EFI/redhat/grubx64.efi", was },
        { kind: "remove", path: long, was },
        { kind: "remove", path: "/empty", was },
        { kind: "write", path: "/EFI/redhat/grub.cfg", data, attributes: was, was },
        { kind: "write", path: "/lower.txt", data: Buffer.alloc(9000, "grown"), attributes: was, was },
        ...Array.from({ length: 12 }, (_, index) => ({
          kind: "write" as const,
          path: `/loader/entries/a long name that is alike-${index}.conf`,
          attributes: was,
          data: Buffer.from(`title ${index}\n`),
        })),
      ],
      cannot,
    );
    const changed = join(folder, "changed.img");
    await writeFile(changed, await draft.read(0, draft.bytes));
    await host.run(["fsck.fat", "-n", changed]);
    const files = await openFat(draft);
    expect(await files.list("/EFI/redhat")).toEqual(["grub.cfg"]);
    expect(Buffer.from(await files.readFile("/EFI/redhat/grub.cfg")).toString()).toBe("search other\n");
    expect((await files.list("/")).includes("empty")).toBe(false);
    expect((await files.readFile("/lower.txt")).length).toBe(9000);
    expect((await files.list("/loader/entries")).length).toBe(13);
    const { stdout } = await host.run([
      "mtype",
      "-i",
      changed,
      "::/loader/entries/a long name that is alike-11.conf",
    ]);
    expect(stdout).toBe("title 11\n");
    const volume = { name: "p1", offset: 0, bytes: draft.bytes, fs: "vfat" as const };
    let left = "";
    const all = [{ start: 0, length: draft.bytes }];
    for await (const block of freeBlocks(draft, [{ at: "/", volume }], all))
      left += Buffer.from(block.data).toString("latin1");
    expect(left).toContain("grubgrub");
    expect(left).not.toContain("search other");
  });

  it("refuses what it cannot do, and changes nothing", async () => {
    const draft = draftOf(bytesReader(await readFile(image)));
    const attributes = { mode: 0o600, uid: 0, gid: 0 };
    const grown = Buffer.alloc(size, "x");
    for (const path of ["/none/new.txt", "/lower.txt/x", "/new:.txt", "/EFI"])
      await expect(
        changeFat(draft, [{ kind: "write", path, data: grown, attributes }], cannot),
      ).rejects.toThrow(kind.slice(0, 3));
    expect(await draft.pieces()).toEqual([]);
  });

  it("is refused with a reason, whichever byte is damaged", async () => {
    const whole = await readFile(image);
    for (let at = 0; at < 90; at++)
      for (const value of [0, 1, 0x7f, 0xff]) {
        const damaged = Buffer.from(whole.subarray(0, Math.min(whole.length, 2 * mib)));
        damaged[at] = value;
        const read = async () => {
          const files = await openFat(bytesReader(damaged));
          for (const name of await files.list("/")) await files.stat(`/${name}`);
        };
        await read().catch((error) => expect(error.name).toBe("TbuildError"));
      }
  });
});

it("a UEFI guest is sealed in process, its EFI system partition too, and undone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-uefi-"));
  const image = join(folder, "i.img");
  await writeFile(image, "");
  await truncate(image, 64 * mib);
  await host.run(["sfdisk", "-q", image], { input: "label: gpt\n2048,40960,U\n43008,40960,L\n" });
  await makeFat(image, mib, 20 * mib, ["-F", "16", "-i", "CAFE0001"], folder);
  const guest = join(folder, "guest");
  await mkdir(join(guest, "etc"), { recursive: true });
  await mkdir(join(guest, "boot/efi"), { recursive: true });
  await writeFile(join(guest, "etc/oracle-release"), "Oracle Linux Server release 8.10\n");
  await writeFile(
    join(guest, "etc/fstab"),
    "LABEL=r / ext4 defaults 1 1\nUUID=CAFE-0001 /boot/efi vfat umask=0077 0 2\n",
  );
  await host.run([
    "mke2fs",
    "-qF",
    "-t",
    "ext4",
    "-L",
    "r",
    "-E",
    `offset=${21 * mib}`,
    "-d",
    guest,
    image,
    "20M",
  ]);
  const sum = async () => (await host.run(["sha256sum", image])).stdout;
  const before = await sum();
  const sealed = await host.run(["node", main, "seal", "--yes", "--scrub", "--skip=first-boot", image]);
  expect(sealed.stdout).toContain("by direct");
  const seed = ["mtype", "-i", `${image}@@${mib}`, "::loader/random-seed"];
  await expect(host.run(seed)).rejects.toThrow();
  await host.run(["node", main, "undo", image]);
  expect(await sum()).toBe(before);
  expect((await host.run(seed)).stdout).toContain("seed");
  await rm(folder, { recursive: true, force: true });
});

async function makeFat(image: string, offset: number, size: number, options: string[], folder: string) {
  const from = join(folder, "efi");
  for (const [name, data] of Object.entries(names)) {
    await mkdir(join(from, name, ".."), { recursive: true });
    await writeFile(join(from, name), data);
  }
  const only = join(folder, "only.img");
  await writeFile(only, "");
  await truncate(only, size);
  await host.run(["mkfs.fat", ...options, only]);
  for (const name of new Set(Object.keys(names).map((name) => name.split("/")[0] ?? name)))
    await host.run(["mcopy", "-s", "-i", only, join(from, name), "::"], { env: { LC_ALL: "C.UTF-8" } });
  await host.run([
    "dd",
    `if=${only}`,
    `of=${image}`,
    "bs=1M",
    `seek=${offset / mib}`,
    "conv=notrunc",
    "status=none",
  ]);
}
