import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { openIso } from "../../src/media/iso.ts";
import { readMedium } from "../../src/media/medium.ts";
import { type CraftedRecord, ce, crafted, craftedIso, field, nm, sl } from "./crafted-iso.ts";

const folder = mkdtempSync(join(tmpdir(), "tbuild-iso-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, "crafted.iso");
const root = { block: 20, bytes: 2048 };
const text = { block: 30, bytes: 6 };
const content = Buffer.from("hello\n");

/** An image whose root has these records, and more blocks. */
function write(
  records: readonly CraftedRecord[],
  blocks: Record<number, Uint8Array> = {},
  claims?: number,
): void {
  const all = { 20: crafted(root, ...records), 30: content, ...blocks };
  writeFileSync(file, craftedIso({ root, blocks: all, ...(claims !== undefined && { claims }) }));
}

async function reads(path: string): Promise<string | undefined> {
  await using iso = await openIso(file);
  const data = await iso.read(path);
  return data && new TextDecoder().decode(data);
}

describe("an ISO 9660 image", () => {
  it("is read by its Rock Ridge names, which may go on elsewhere", async () => {
    const rest = nm("long-name");
    write([{ name: "SHORT.;1", ...text, fields: [nm("a-very-"), ce(40, 8, rest.length)] }], {
      40: Buffer.concat([Buffer.alloc(8), rest]),
    });
    expect(await reads("a-very-long-name")).toBe("hello\n");
    expect(await reads("SHORT")).toBeUndefined();
  });

  it("is read by its ISO names where there is no Rock Ridge, in any case", async () => {
    write([{ name: "README.TXT;1", ...text }]);
    expect(await reads("readme.txt")).toBe("hello\n");
  });

  it("has files in several pieces, as those of 4 GiB and more are", async () => {
    write(
      [
        { name: "BIG.;1", block: 30, bytes: 6, more: true },
        { name: "BIG.;1", block: 31, bytes: 3 },
        { name: "NEXT.;1", block: 31, bytes: 3 },
      ],
      { 31: Buffer.from("two") },
    );
    expect(await reads("BIG")).toBe("hello\ntwo");
    expect(await reads("NEXT")).toBe("two");
    await using iso = await openIso(file);
    await iso.extract("BIG", join(folder, "big"));
    expect(readFileSync(join(folder, "big"), "utf8")).toBe("hello\ntwo");
  });

  it("has links, which stay inside", async () => {
    const inner = { block: 21, bytes: 2048 };
    write(
      [
        { name: "DIR", ...inner, folder: true, fields: [nm("dir")] },
        { name: "A.;1", ...text, fields: [nm("target")] },
        { name: "L.;1", block: 0, bytes: 0, fields: [nm("absolute"), sl("", "target")] },
      ],
      {
        21: crafted(inner, {
          name: "L.;1",
          block: 0,
          bytes: 0,
          fields: [nm("up"), sl("..", "..", "..", "..", "target")],
        }),
      },
    );
    expect(await reads("dir/up")).toBe("hello\n");
    expect(await reads("absolute")).toBe("hello\n");
    expect(await reads("../../target")).toBe("hello\n");
  });

  it("is read by its Joliet names if it has no others, as xorriso writes them", async () => {
    const tree = mkdtempSync(join(folder, "tree-"));
    writeFileSync(join(tree, "a name of Joliet ü.text"), "hello\n");
    execFileSync("xorriso", [
      ...["-as", "mkisofs", "-quiet", "-J", "-joliet-long", "--norock", "-V", "JOLIET", "-o", file, tree],
    ]);
    expect(await reads("a name of Joliet ü.text")).toBe("hello\n");
  });
});

describe("a hostile image", () => {
  const refused = async (work: Promise<unknown>, message: RegExp) => {
    const error = await work.then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(TbuildError);
    expect(error).toMatchObject({ fault: "integrity", message: expect.stringMatching(message) });
  };

  it("with records that lie about their length is refused", async () => {
    write([{ name: "A.;1", ...text, length: 10 }]);
    await refused(reads("A"), /crafted\.iso: a directory record is damaged at its byte \d+/);
    write([{ name: "A-NAME-THAT-IS-LONGER-THAN-ITS-RECORD.;1", ...text, length: 40 }]);
    await refused(reads("A"), /damaged/);
  });

  it("with a file or folder outside of the image is refused", async () => {
    write([
      { name: "A.;1", block: 4_000_000, bytes: 6 },
      { name: "B.;1", block: 30, bytes: 0xffff },
      { name: "D", block: 3_000_000, bytes: 2048, folder: true },
    ]);
    await refused(reads("A"), /A is outside the image/);
    await refused(reads("B"), /B is outside the image/);
    await refused(reads("D/x"), /the folder D is outside the image/);
    const iso = await openIso(file);
    await refused(iso.extract("A", join(folder, "never")), /is outside/);
    await iso[Symbol.asyncDispose]();
  });

  it("with a file that is larger than the image, of pieces that lie over each other, is refused", async () => {
    const piece = { name: "A.;1", block: 18, bytes: 20_000, more: true };
    write([piece, piece, piece, { ...piece, more: false }]);
    await using iso = await openIso(file);
    await refused(iso.extract("A", join(folder, "never")), /A is larger than the image/);
  });

  it("with a text of gigabytes is refused without reading it", async () => {
    write([{ name: "A.;1", block: 30, bytes: 0xf000_0000 }]);
    await refused(reads("A"), /A: has 4026531840 bytes, far more than expected/);
  });

  it("with fields or links that lead in circles is refused", async () => {
    const circle = ce(40, 0, 28);
    write([{ name: "A.;1", ...text, fields: [circle] }], { 40: circle });
    await refused(reads("A"), /forms a loop/);
    write([{ name: "L.;1", block: 0, bytes: 0, fields: [nm("loop"), sl("loop")] }]);
    await refused(reads("loop"), /loop: too many links/);
    // A folder in itself is as deep as the path that asks for it, and no deeper.
    write([{ name: "D", ...root, folder: true }]);
    expect(await reads(`${"D/".repeat(500)}x`)).toBeUndefined();
  });

  it("that is shorter than it states is called truncated, and another kind of file is named", async () => {
    write([], {}, 1_000_000);
    await refused(openIso(file), /is truncated: it has \d+ bytes, and its volume \(CRAFTED\) has 2048000000/);
    const hints: readonly (readonly [string, RegExp])[] = [
      ["", /It is empty/],
      ["<!DOCTYPE html><html>sign in", /web page/],
      ["PK\x03\x04zip", /zip archive/],
      ["anything", /run: file/],
    ];
    for (const [data, hint] of hints) {
      writeFileSync(file, data);
      await expect(openIso(file)).rejects.toMatchObject({
        fault: "integrity",
        message: `${file}: is not an ISO 9660 image`,
        hint: expect.stringMatching(hint),
      });
    }
    await expect(openIso(folder)).rejects.toMatchObject({ fault: "usage" });
    await expect(openIso(join(folder, "no.iso"))).rejects.toThrow(/no such file/);
    execFileSync("mkfifo", [join(folder, "fifo.iso")]);
    await expect(openIso(join(folder, "fifo.iso"))).rejects.toThrow(/neither a file nor a device/);
  });

  it("of any kind is read or refused, and neither crashes nor hangs", async () => {
    const inner = { block: 21, bytes: 2048 };
    write(
      [
        { name: "D.;1", ...inner, folder: true, fields: [nm("isolinux"), field("PX", Buffer.alloc(32))] },
        { name: "T.;1", block: 31, bytes: 60, fields: [nm(".treeinfo"), ce(40, 0, 12)] },
        { name: "L.;1", block: 0, bytes: 0, fields: [nm("images"), sl("isolinux")] },
      ],
      {
        21: crafted(
          inner,
          { name: "K.;1", ...text, fields: [nm("vmlinuz")] },
          { name: "I.;1", ...text, fields: [nm("initrd.img")] },
        ),
        31: Buffer.from("[general]\nversion = 6.10\narch = x86_64\nfamily = Oracle Linux\n"),
        40: nm(""),
      },
    );
    const whole = readFileSync(file);
    expect(await readMedium(file)).toMatchObject({ major: 6, update: 10 });
    // The bytes that say something: the descriptors, the folders, and the text.
    const place = fc.oneof(
      fc.integer({ min: 16 * 2048, max: 16 * 2048 + 200 }),
      fc.integer({ min: 20 * 2048, max: 20 * 2048 + 500 }),
      fc.integer({ min: 21 * 2048, max: 21 * 2048 + 300 }),
      fc.integer({ min: 31 * 2048, max: 31 * 2048 + 60 }),
    );
    const change = fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 12,
    });
    const mutated = join(folder, "mutated.iso");
    await fc.assert(
      fc.asyncProperty(change, async (changes) => {
        const image = Buffer.from(whole);
        for (const [at, byte] of changes) image[at] = byte;
        writeFileSync(mutated, image);
        await readMedium(mutated).catch((error) => expect(error).toBeInstanceOf(TbuildError));
      }),
      { numRuns: 400 },
    );
  });
});
