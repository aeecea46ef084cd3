import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import { draftOf } from "../../src/image/change/draft.ts";
import { differingPieces } from "../../src/image/change/pieces.ts";
import { filledPlaces, scrubUnclaimed } from "../../src/image/change/unclaimed-space.ts";
import type { Reader } from "../../src/io/reader.ts";

const mib = 1 << 20;

// Each work is so long that only the signal can end it within the time of a test.
describe("a raised signal ends", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-signal-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const soon = () => AbortSignal.timeout(100);

  it("the comparison of an image with its changed copy", async () => {
    const files = ["one", "other"].map((name) => join(folder, name));
    for (const [index, file] of files.entries()) {
      await using handle = await open(file, "w");
      const data = Buffer.alloc(mib, index + 1);
      for (let at = 0; at < 24; at++) await handle.write(data, 0, mib, at * mib);
    }
    const [one = "", other = ""] = files;
    await expect(differingPieces(localHost(), one, other, AbortSignal.abort())).rejects.toThrow(Interrupted);
    expect(await differingPieces(localHost(), one, other)).toHaveLength(24);
  });

  it("the search and the scrub of a disk of a million GiB", async () => {
    const bytes = 2 ** 50;
    const disk: Reader = { bytes, read: async (_offset, length) => Buffer.alloc(length, 1) };
    const places = [{ name: "the gap after p1", pieces: [{ offset: 0, bytes }] }];
    const data = [{ start: 0, length: bytes }];
    const scrub = scrubUnclaimed(draftOf(disk), places, data, () => false, soon());
    await expect(scrub).rejects.toThrow(Interrupted);
    const zeros: Reader = { bytes, read: async (_offset, length) => Buffer.alloc(length) };
    const kept = places.map((place) => ({ ...place, unread: "it is in use" }));
    await expect(filledPlaces(zeros, kept, data, soon())).rejects.toThrow(Interrupted);
  });
});
