import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { draftOf } from "../../src/image/draft.ts";
import { bytesReader } from "../../src/image/reader.ts";
import { changeImage, isUnsettled, namesFor, settle, undoLast, undoRecords } from "../../src/image/undo.ts";

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
    await expect(undoLast(image)).rejects.toThrow("no change to undo");
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

describe("a change that was cut off", () => {
  it.each([0, 1, 2, 3])("is finished when %i of its pieces had been written", async (written) => {
    const record = await changed();
    const after = await readFile(image);
    await rename(record.file, namesFor(image).redo);
    await writeFile(image, mixed(old, after, written));
    expect(await isUnsettled(image)).toBe(true);
    expect(await settle(image)).toContain("is now finished, and can be undone");
    expect((await readFile(image)).equals(after)).toBe(true);
    await undoLast(image);
    expect((await readFile(image)).equals(old)).toBe(true);
  });

  it.each([0, 1, 2, 3])("so is an undo when %i of its pieces had been written", async (written) => {
    const record = await changed();
    const after = await readFile(image);
    await rename(record.file, namesFor(image).undoing);
    await writeFile(image, mixed(after, old, written));
    expect(await settle(image)).toContain("an undo of it had been cut off");
    expect((await readFile(image)).equals(old)).toBe(true);
    expect(await readdir(folder)).toEqual(["a disk.img"]);
  });

  it("is forgotten when the image had not been touched yet", async () => {
    await writeFile(namesFor(image).new, "half a rec");
    await writeFile(namesFor(image).work, "a copy");
    expect(await settle(image)).toContain("the image is as it was");
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
    await expect(undoLast(image)).rejects.toThrow("was changed since");
    expect((await readFile(image)).equals(now)).toBe(true);
  });

  it("when the image has another size", async () => {
    await changed();
    await writeFile(image, old.subarray(100));
    await expect(undoLast(image)).rejects.toThrow("belongs to an image of");
  });

  it.each(["cut off", "damaged", "garbage"])("when the record is %s", async (how) => {
    const { file } = await changed();
    const now = await readFile(image);
    const record = await readFile(file);
    if (how === "damaged") record.write("XX", record.length - 40);
    await writeFile(file, how === "cut off" ? record.subarray(0, -20) : how === "garbage" ? "what?" : record);
    await expect(undoLast(image)).rejects.toThrow(/is damaged|is no record/);
    expect((await readFile(image)).equals(now)).toBe(true);
  });
});

async function changed(text = "changed!") {
  const bytes = await readFile(image);
  const draft = draftOf(bytesReader(bytes));
  for (const place of places) await draft.write(place, Buffer.from(text));
  return changeImage(image, await draft.pieces(), { what: "a test", when: "now", bytes: bytes.length });
}

// As after a kill: the first places as they were to be, the others as they were.
function mixed(from: Buffer, to: Buffer, written: number): Buffer {
  const bytes = Buffer.from(from);
  for (const place of places.slice(0, written)) to.copy(bytes, place, place, place + 8);
  return bytes;
}
