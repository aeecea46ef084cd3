import { execFileSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whois } from "../../src/build/whois.ts";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { TbuildError } from "../../src/errors.ts";
import { checkImage, planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { localHost } from "../../src/host/local.ts";
import { imageFacts } from "../../src/image/open.ts";
import { fileWord } from "../../src/io/escape.ts";
import { storeFolder } from "../../src/store/folder/store-folder.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";

const host = localHost();
const lacking = missing("mke2fs", "qemu-img", "debugfs", "xz");

let folder: string;
let raw: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-client-"));
  raw = join(folder, "raw.img");
  if (lacking === undefined) await extDisk(raw, ol6Guest, { mebibytes: 6 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const operations = sealOperations();
const doors = {
  inspect: (file: string) => imageFacts(file),
  check: (file: string) => checkImage(host, file, { operations }),
  async seal(file: string) {
    await using _planned = await planJob(host, file, { operations });
  },
  async import(file: string) {
    const work = await mkdtemp(join(folder, "work-"));
    await unpackTemplate(host, file, work, { mostBytes: 2 ** 28 });
  },
  whois: (file: string) =>
    whois(host, file, [], {
      store: storeFolder(join(folder, "store")),
      // There are no versions, so it needs no manifest.
      read: () => expect.fail(),
      folder,
      signal: new AbortController().signal,
    }),
} as const;
type CliClient = keyof typeof doors;
const all = Object.keys(doors) as CliClient[];

const converted =
  (...options: readonly string[]) =>
  async (file: string) =>
    void (await host.run(["qemu-img", "convert", "-O", ...options, raw, file]));
const bent = (at: number, value: number) => async (file: string) => {
  await converted("qcow2")(file);
  await using image = await open(file, "r+");
  await image.write(Buffer.from([value]), 0, 1, at);
};
const packed =
  (...argv: readonly string[]) =>
  async (file: string) =>
    writeFile(file, (await host.run([...argv, "-c", raw])).bytes);

interface Case {
  readonly what: string;
  make(file: string): Promise<void>;
  /** The refusal of every command; without it, all accept the file. */
  readonly refusal?: RegExp;
  readonly fault?: RegExp;
  /** The commands that unpack or convert it first. */
  readonly takenBy?: readonly CliClient[];
}

const cases: readonly Case[] = [
  { what: "a raw image", make: (file) => copyFile(raw, file) },
  { what: "a qcow2 that is called .img", make: converted("qcow2") },
  { what: "a qcow2 that was not closed", make: bent(79, 1) },
  {
    what: "a qcow2 that is marked as corrupt",
    make: bent(79, 2),
    refusal: /is marked as corrupt/,
    fault: /integrity/,
  },
  { what: "an encrypted qcow2", make: bent(35, 1), refusal: /is encrypted/, fault: /environment/ },
  {
    what: "a qcow2 whose backing file is gone",
    make: async (file) =>
      void (await host.run([
        "qemu-img",
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        "gone.qcow2",
        "-F",
        "qcow2",
        file,
        "6M",
      ])),
    refusal: /gone\.qcow2: there is no such file|needs a backing file/,
    fault: /environment|integrity/,
  },
  {
    what: "a qcow2 that is cut off",
    async make(file) {
      await converted("qcow2")(file);
      await truncate(file, 200_000);
    },
    refusal: /is cut off/,
    fault: /integrity/,
  },
  {
    what: "a raw image that is cut off",
    async make(file) {
      await copyFile(raw, file);
      await truncate(file, 3 << 20);
    },
    refusal: /is cut off/,
    fault: /integrity/,
    // These show the rest, and say that it is truncated.
    takenBy: ["inspect", "check", "whois"],
  },
  {
    what: "a fixed VHD, whose footer is not data",
    make: converted("vpc", "-o", "subformat=fixed,force_size"),
    refusal: /is a fixed VHD image/,
    fault: /usage/,
  },
  {
    what: "a dynamic VHD",
    make: converted("vpc", "-o", "subformat=dynamic"),
    refusal: /is a dynamic VHD image/,
    fault: /usage/,
    takenBy: ["whois"],
  },
  { what: "a VHDX", make: converted("vhdx"), refusal: /is a VHDX image/, fault: /usage/, takenBy: ["whois"] },
  { what: "a VDI", make: converted("vdi"), refusal: /is a VDI image/, fault: /usage/, takenBy: ["whois"] },
  {
    what: "a sparse VMDK",
    make: converted("vmdk"),
    refusal: /is a VMDK image/,
    fault: /usage/,
    takenBy: ["import", "whois"],
  },
  {
    what: "a VMDK of streams",
    make: converted("vmdk", "-o", "subformat=streamOptimized"),
    refusal: /is a VMDK image/,
    fault: /usage/,
    takenBy: ["import", "whois"],
  },
  {
    what: "a VMDK descriptor",
    make: converted("vmdk", "-o", "subformat=monolithicFlat"),
    refusal: /is a VMDK descriptor whose data is in other files/,
    fault: /usage/,
    takenBy: ["whois"],
  },
  {
    what: "a gzip",
    make: packed("gzip", "-1"),
    refusal: /is compressed with gzip/,
    fault: /usage/,
    takenBy: ["import"],
  },
  { what: "an xz", make: packed("xz", "-0"), refusal: /is compressed with xz/, fault: /usage/ },
  {
    what: "an ISO",
    make: (file) =>
      writeFile(file, Buffer.concat([Buffer.alloc(32769), Buffer.from("CD001"), Buffer.alloc(4096)])),
    refusal: /is an ISO 9660 disc/,
    fault: /usage/,
  },
  { what: "an empty file", make: (file) => writeFile(file, ""), refusal: /is empty/, fault: /integrity/ },
  {
    what: "a named pipe",
    make: async (file) => void execFileSync("mkfifo", [file]),
    refusal: /is a named pipe, not an image file/,
    fault: /usage/,
  },
  { what: "nothing", make: async () => {}, refusal: /there is no such file/, fault: /usage/ },
  {
    what: "a disk encrypted with LUKS",
    make: (file) => writeFile(file, "LUKS\xba\xbe\0\x02".padEnd(1 << 20, "\0"), "latin1"),
    refusal: /is encrypted with LUKS/,
    fault: /environment|guest/,
    takenBy: ["inspect"],
  },
  {
    what: "a disk of Oracle ASM",
    make: (file) =>
      writeFile(
        file,
        "\0"
          .repeat(32)
          .concat("ORCLDISKDATA")
          .padEnd(1 << 20, "\0"),
      ),
    refusal: /contains no guest|holds an Oracle ASM disk/,
    fault: /guest/,
    takenBy: ["inspect"],
  },
  {
    what: "garbage",
    make: (file) => writeFile(file, "garbage".repeat(9999)),
    refusal: /contains no guest: no volume has an \/etc\/fstab|is neither a template nor a disk image/,
    fault: /guest/,
    // It shows nothing, and the command ends with the same exit code.
    takenBy: ["inspect"],
  },
];

describe.skipIf(lacking)("every command that opens images gives the same verdict", () => {
  it.each(cases)("of $what", async ({ make, refusal, fault, takenBy = refusal ? [] : all }) => {
    const at = await mkdtemp(join(folder, "case-"));
    const file = join(at, "disk's.img");
    await make(file);
    for (const client of all) {
      const error = await doors[client](file).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (takenBy.includes(client)) {
        expect(error, `${client} takes it`).toBeUndefined();
        continue;
      }
      expect(error, `${client} refuses it`).toBeInstanceOf(TbuildError);
      const { message, fault: whose, hint = "" } = error as TbuildError;
      expect(message, client).toMatch(refusal ?? /^$/);
      expect(whose, client).toMatch(fault ?? /^$/);
      const words = [file, basename(file)].map(fileWord);
      if (hint.includes("disk'"))
        expect(
          words.some((word) => hint.includes(word)),
          hint,
        ).toBe(true);
    }
  });

  it("of a folder and a device", async () => {
    const at = join(folder, "a-folder");
    await mkdir(at);
    for (const [file, words] of [
      [at, /is a folder, not an image file|contains neither an \.ovf nor a vm\.cfg/],
      ["/dev/zero", /is a character device, not an image file/],
    ] as const)
      for (const client of all)
        await expect(doors[client](file), client).rejects.toMatchObject({
          fault: "usage",
          message: expect.stringMatching(words),
        });
  });

  it("and does not take the footer of a fixed VHD for data", async () => {
    const vhd = join(folder, "fixed.vhd");
    await converted("vpc", "-o", "subformat=fixed,force_size")(vhd);
    expect((await readFile(vhd)).length).toBe((await readFile(raw)).length + 512);
    await expect(doors.import(vhd)).rejects.toMatchObject({ hint: expect.stringContaining("-f vpc") });
  });
});
