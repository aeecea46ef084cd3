import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { draftOf } from "../../src/image/change/draft.ts";
import {
  changeImage,
  isUnsettled,
  namesFor,
  settle,
  undoLast,
  undoRecords,
} from "../../src/image/change/undo.ts";
import { bytesReader } from "../../src/io/reader.ts";

const old = Buffer.alloc(3 * 4096 + 100, "old ");
const places = [10, 4090, 3 * 4096 + 90] as const;

let folder = "";
let image = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-undo-"));
  image = join(folder, "a disk.img");
  await writeFile(image, old);
});
afterEach(() => rm(folder, { recursive: true }));

describe("a change of an image", () => {
  it("writes only what differs, and is undone to the bit", async () => {
    const record = await changed();
    const now = await readFile(image);
    for (const place of places) expect(now.toString("latin1", place, place + 8)).toBe("changed!");
    expect(now.length).toBe(old.length);
    expect(record.bytes).toBeLessThan(1000);
    expect(await undoLast(image)).toMatchObject({ what: "a test", number: 1 });
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it("is undone one after the other, newest first", async () => {
    await changed();
    const between = await readFile(image);
    await changed("other!!!");
    expect((await undoRecords(image)).map(({ number }) => number)).toEqual([1, 2]);
    await undoLast(image);
    expect((await readFile(image)).equals(between)).toBe(true);
    await undoLast(image);
    expect((await readFile(image)).equals(old)).toBe(true);
    await expect(undoLast(image)).rejects.toThrow("nothing to undo");
  });

  it("ends while its record is being written, and nothing is left of it", async () => {
    const stop = new AbortController();
    let written = 0;
    const after = async () => {
      written++;
      stop.abort();
      // Longer than the interval between checks of the signal.
      await sleep(60);
      return Buffer.from("new ");
    };
    const pieces = [0, 1, 2, 3].map((index) => ({ offset: index * 4096, bytes: 4, after }));
    const note = { what: "a test", when: "now", bytes: old.length };
    await expect(changeImage(image, pieces, note, { signal: stop.signal })).rejects.toThrow(Interrupted);
    expect(written).toBe(1);
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it("is not begun once its record is written and a signal has come", async () => {
    const stop = new AbortController();
    const after = async () => {
      stop.abort();
      return Buffer.from("new ");
    };
    const note = { what: "a test", when: "now", bytes: old.length };
    const change = changeImage(image, [{ offset: 0, bytes: 4, after }], note, { signal: stop.signal });
    await expect(change).rejects.toThrow(Interrupted);
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it("makes a file longer and, undone, shorter again", async () => {
    const bytes = old.length + 5000;
    const after = async () => Buffer.from("the new end");
    await changeImage(image, [{ offset: bytes - 11, bytes: 11, after }], { what: "grow", when: "", bytes });
    expect((await readFile(image)).length).toBe(bytes);
    await undoLast(image);
    expect((await readFile(image)).equals(old)).toBe(true);
  });
});

describe("a change that was interrupted", () => {
  it.each([0, 1, 2, 3])("is finished when %i of its pieces had been written", async (written) => {
    const record = await changed();
    const after = await readFile(image);
    await rename(record.file, namesFor(image).redo);
    await writeFile(image, mixed(old, after, written));
    await writeFile(namesFor(image).work, "the copy in which the change was worked out");
    expect(await isUnsettled(image)).toBe(true);
    expect(await settle(image)).toContain("is now finished, and can be undone");
    expect((await readFile(image)).equals(after)).toBe(true);
    await undoLast(image);
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it.each([0, 1, 2, 3])("so is an undo when %i of its pieces had been written", async (written) => {
    const record = await changed();
    const after = await readFile(image);
    await rename(record.file, namesFor(image).undoing);
    await writeFile(image, mixed(after, old, written));
    await writeFile(namesFor(image).work, "the copy in which the change was worked out");
    expect(await settle(image)).toContain("an undo of it was interrupted");
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it.each([
    ["redo", []],
    ["redo", [0, 3]],
    ["redo", [1, 2, 6]],
    ["undoing", []],
    ["undoing", [0, 3]],
    ["undoing", [1, 2, 6]],
  ] as const)(
    "is finished when of one %s piece only the sectors %j had been written",
    async (name, sectors) => {
      const { after, file } = await changedPiece();
      await rename(file, namesFor(image)[name]);
      const [from, to] = name === "redo" ? [old, after] : [after, old];
      const now = Buffer.from(from);
      for (const sector of sectors) to.copy(now, 512 * (sector + 1), 512 * (sector + 1), 512 * (sector + 2));
      await writeFile(image, now);
      expect(await settle(image)).toContain("is now finished");
      expect((await readFile(image)).equals(to)).toBe(true);
    },
  );

  it.each(["redo", "undoing"] as const)("is finished (%s) when others wrote elsewhere", async (name) => {
    const { after, file } = await changedPiece();
    await rename(file, namesFor(image)[name]);
    // Two of them in sectors that have part of the piece.
    const [from, to] = [old, after].map((side) => Buffer.from(side));
    for (const place of [699, 3700, 9000]) for (const side of [from, to]) side?.write("!", place);
    await writeFile(image, from ?? "");
    expect(await settle(image)).toContain("is now finished");
    expect(await readFile(image)).toEqual(name === "redo" ? to : from);
  });

  it.each([0, 100, 5000])("is finished when the image had grown by %i bytes of 5000", async (grown) => {
    const bytes = old.length + 5000;
    const piece = { offset: bytes - 1000, bytes: 1000, after: async () => Buffer.alloc(1000, "end") };
    const { file } = await changeImage(image, [piece], { what: "grow", when: "", bytes });
    const after = await readFile(image);
    await rename(file, namesFor(image).redo);
    await truncate(image, old.length);
    await truncate(image, old.length + grown);
    expect(await settle(image)).toContain("is now finished");
    expect((await readFile(image)).equals(after)).toBe(true);
    await rename(file, namesFor(image).undoing);
    await truncate(image, old.length + grown);
    expect(await settle(image)).toContain("is now finished");
    expect((await readFile(image)).equals(old)).toBe(true);
  });

  it.each([
    ["redo", 700, "700 to 1023"],
    ["redo", 1024, "1024 to 1535"],
    ["redo", 3699, "3584 to 3699"],
    ["undoing", 700, "700 to 1023"],
    ["undoing", 2000, "1536 to 2047"],
    ["undoing", 3699, "3584 to 3699"],
  ] as const)("is not finished (%s) over what others wrote at %i", async (name, place, bytes) => {
    const { after, file } = await changedPiece();
    const record = namesFor(image)[name];
    await rename(file, record);
    const now = Buffer.from(old);
    after.copy(now, 1536, 1536, 2048);
    now.write("!", place);
    await writeFile(image, now);
    // Asked again, the answer is the same.
    for (let times = 0; times < 2; times++)
      await expect(settle(image)).rejects.toMatchObject({
        fault: "integrity",
        message: expect.stringContaining(`${image}: bytes ${bytes} were changed by another program`),
        hint: expect.stringContaining(record),
      });
    expect((await readFile(image)).equals(now)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img", basename(record)]);
    await rm(record);
    expect(await settle(image)).toBeUndefined();
  });

  describe("of two images in different folders", () => {
    const changed = async () => {
      const apart = join(folder, "apart");
      await mkdir(apart);
      const other = join(apart, "b.img");
      await writeFile(other, old);
      const piece = { offset: 700, bytes: 9, after: async () => Buffer.from("identical") };
      const note = { what: "seal", when: "2026-11-30T00:00:00Z", bytes: old.length };
      const record = await changeImage(image, [piece], note, {
        others: [{ image: other, pieces: [piece], bytes: old.length }],
      });
      return { other, file: record.file, after: await readFile(image) };
    };

    it.each(["a change", "an undo"])("is finished in both after %s was cut off", async (which) => {
      const { other, file, after } = await changed();
      await rename(file, which === "a change" ? namesFor(image).redo : namesFor(image).undoing);
      await writeFile(image, old);
      await writeFile(other, after);
      expect(await settle(other)).toContain("is now finished");
      const wanted = which === "a change" ? after : old;
      expect([await readFile(image), await readFile(other)]).toEqual([wanted, wanted]);
    });

    it("gives each the size that it is to have, at whatever moment it was cut off", async () => {
      const other = join(folder, "b.img");
      await writeFile(other, old);
      const longer = { offset: old.length, bytes: 512, after: async () => Buffer.alloc(512, 1) };
      const { file } = await changeImage(
        image,
        [],
        { what: "seal", when: "2026-11-30T00:00:00Z", bytes: old.length },
        { others: [{ image: other, pieces: [longer], bytes: old.length + 512 }] },
      );
      const after = await readFile(other);
      expect(after).toEqual(Buffer.concat([old, Buffer.alloc(512, 1)]));
      await rename(file, namesFor(image).redo);
      await truncate(other, old.length);
      await settle(other);
      expect(await readFile(other)).toEqual(after);
      await undoLast(other);
      expect([await readFile(image), await readFile(other)]).toEqual([old, old]);
    });

    it.each(["undo", "redo", "undoing"] as const)(
      "writes to none where the other does not name the first in turn (%s)",
      async (stage) => {
        const { other, file, after } = await changed();
        // As a record that came with an image, and names a file of this machine.
        await rm(namesFor(other).with);
        if (stage !== "undo") await rename(file, namesFor(image)[stage]);
        await expect(stage === "undo" ? undoLast(image) : settle(image)).rejects.toMatchObject({
          fault: "integrity",
          message: expect.stringContaining(`refers to ${other}, which does not refer back to ${image}`),
        });
        expect([await readFile(image), await readFile(other)]).toEqual([after, after]);
      },
    );
  });

  it("is forgotten when the image had not been touched yet", async () => {
    await writeFile(namesFor(image).new, "half a rec");
    await writeFile(namesFor(image).work, "a copy");
    expect(await settle(image)).toContain("the image is unchanged");
    expect(await readdir(folder)).toEqual(["a disk.img"]);
    expect(await settle(image)).toBeUndefined();
  });
});

describe("an undo is refused, and nothing is touched,", () => {
  it("when somebody has changed the image since", async () => {
    await changed();
    const now = await readFile(image);
    now.write("X", places[1]);
    await writeFile(image, now);
    await expect(undoLast(image)).rejects.toThrow("has changed since");
    expect((await readFile(image)).equals(now)).toBe(true);
  });

  it("when the image has another size", async () => {
    await changed();
    await writeFile(image, old.subarray(100));
    await expect(undoLast(image)).rejects.toThrow("belongs to an image of");
  });

  it.each(["cut off", "damaged", "garbage", "without a head"])("when the record is %s", async (how) => {
    const { file } = await changed();
    const now = await readFile(image);
    const record = await readFile(file);
    if (how === "damaged") record.write("XX", record.length - 40);
    const written: Record<string, string | Uint8Array> = {
      "cut off": record.subarray(0, -20),
      garbage: "what?",
      "without a head": 'tbuild-undo 1 {"what":"x","size":"1"}\n',
    };
    await writeFile(file, written[how] ?? record);
    await expect(undoLast(image)).rejects.toThrow(/is damaged|is not an undo record/);
    expect((await readFile(image)).equals(now)).toBe(true);
  });
});

async function changed(text = "changed!") {
  const bytes = await readFile(image);
  const draft = draftOf(bytesReader(bytes));
  for (const place of places) await draft.write(place, Buffer.from(text));
  return changeImage(image, await draft.pieces(), { what: "a test", when: "now", bytes: bytes.length });
}

// One piece, from within a sector to within another.
async function changedPiece() {
  const piece = { offset: 700, bytes: 3000, after: async () => Buffer.alloc(3000, "new ") };
  const record = await changeImage(image, [piece], { what: "a test", when: "now", bytes: old.length });
  return { ...record, after: await readFile(image) };
}

// As after a kill: the first places are changed, the others are not.
function mixed(from: Buffer, to: Buffer, written: number): Buffer {
  const bytes = Buffer.from(from);
  for (const place of places.slice(0, written)) to.copy(bytes, place, place, place + 8);
  return bytes;
}
