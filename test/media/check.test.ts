import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { checkMedium, type WantedMedium } from "../../src/media/check.ts";
import type { Medium } from "../../src/media/media.ts";
import { sampleMedium } from "./sample-medium.ts";

const folder = mkdtempSync(join(tmpdir(), "tbuild-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, "dvd.iso");
writeFileSync(file, "a disc");
const medium: Medium = {
  ...sampleMedium,
  file,
  volumeId: "OL6.9 x86_64 Disc 1 20170324",
  major: 6,
  update: 9,
};
const wanted: WantedMedium = {
  major: 6,
  update: 9,
  volumeId: medium.volumeId,
  bytes: 4096,
  sha256: createHash("sha256").update("a disc").digest("hex"),
};
const check = (what: Partial<WantedMedium>, is: Partial<Medium> = {}) =>
  checkMedium({ ...medium, ...is }, { ...wanted, ...what }, { cacheFile: join(folder, "digests.json") });

describe("the disc that a recipe requires", () => {
  it("is accepted if release, label, size and digest match", async () => {
    await check({});
    expect(readFileSync(join(folder, "digests.json"), "utf8")).toContain(wanted.sha256);
  });

  it("is not another release, or another family: it is named", async () => {
    await expect(check({ update: 10 })).rejects.toMatchObject({
      fault: "usage",
      message: `${file}: this is OL6.9 (volume id OL6.9 x86_64 Disc 1 20170324), the recipe needs OL6.10`,
    });
    await expect(check({}, { family: "CentOS" })).rejects.toThrow(/this is CentOS 6\.9 .*needs OL6\.9/);
  });

  it("is not a disc with another label, size or content", async () => {
    await expect(check({ volumeId: "OL6.9 x86_64 Disc 1 2017" })).rejects.toMatchObject({ fault: "usage" });
    await expect(check({ bytes: 2048 })).rejects.toMatchObject({
      fault: "integrity",
      lines: ["its volume has   4096 bytes", "the recipe says 2048 bytes"],
    });
    await expect(check({ sha256: "0".repeat(64) })).rejects.toMatchObject({ fault: "integrity" });
  });

  it.each(["{", "[]", '{"x": "y"}'])(
    "is read again when the cache of digests is damaged: %s",
    async (text) => {
      writeFileSync(join(folder, "digests.json"), text);
      await check({});
      expect(JSON.parse(readFileSync(join(folder, "digests.json"), "utf8"))).not.toHaveProperty("x");
    },
  );

  it("is not accepted without a digest: the error shows the one to compare", async () => {
    const { sha256, ...unproved } = wanted;
    await expect(
      checkMedium(medium, unproved, { cacheFile: join(folder, "digests.json") }),
    ).rejects.toMatchObject({ fault: "usage", lines: [`iso: { sha256: ${sha256} }`] });
  });
});
