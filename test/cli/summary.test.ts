import { describe, expect, it } from "vitest";
import { stoppedWords, summaryOf } from "../../src/cli/summary.ts";
import { age, coloursFor } from "../../src/cli/words.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { sampleManifest } from "../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 1, dataBytes: 1 } as const;
const before = sampleManifest(disk);
const colours = coloursFor({ isTTY: false } as NodeJS.WriteStream);
const summary = (changes: Partial<Manifest>, compared: Manifest | undefined = before) =>
  summaryOf(
    {
      id: "b",
      folder: "f",
      bundleFolder: "bundles",
      report: "r",
      further: [],
      ran: { "seal-image": 1_000 },
      manifest: { ...before, version: "1.0.1", ...changes },
    },
    compared,
    colours,
  );

describe("the summary of a build", () => {
  it("that stopped after a step says where its disk is", () => {
    const stopped = { id: "b", folder: "f", until: "install-guest", ran: {} };
    expect(stoppedWords(stopped)).toMatch(/^b: stopped after install-guest\. The same command/);
    expect(stoppedWords({ ...stopped, disk: "/d.img" })).toContain("its disk: /d.img (work on a copy)");
  });

  it("says what is new, and proposes a fitting version number", () => {
    const said = summary({ domainType: "XEN_HVM" });
    expect(said).toContain("Since 1.0.0: the template 1; tbuild template diff ol6-sample");
    expect(said).toContain(
      "The changes call for version 2.0.0 (major: domain type XEN_PVM → XEN_HVM). Raise `version` in the recipe",
    );
  });

  it("proposes nothing if the number fits, or nothing changed", () => {
    for (const said of [
      summary({ kernel: "other" }),
      summary({}),
      summary({ version: "2.0.0", domainType: "XEN_HVM" }),
    ])
      expect(said).not.toContain("call for");
    expect(summary({}, sampleManifest(disk, { version: "1.0.0" }))).toContain("nothing on record");
  });
});

describe("an age", () => {
  const now = Date.parse("2026-11-25T12:00:00.000Z");
  it.each([
    ["2026-11-25T11:59:30.000Z", "0 min"],
    ["2026-11-25T11:00:00.000Z", "1 hour"],
    ["2026-11-22T11:00:00.000Z", "3 days"],
    ["2026-08-20T11:00:00.000Z", "3 months"],
    ["2024-11-20T11:00:00.000Z", "2 years"],
    ["2027-11-20T11:00:00.000Z", "0 min"],
  ])("since %s is %s", (since, said) => {
    expect(age(since, now)).toBe(said);
  });
});
