import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { warningsOf } from "../../src/store/records/catalog.ts";
import { promote, rollback, tag } from "../../src/store/records/channels.ts";
import { finder } from "../../src/store/records/finder.ts";
import { type Records, recordsIn } from "../../src/store/records/records.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { sampleManifest } from "../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 1, dataBytes: 1 } as const;
const published = [
  ...["1.0.0", "1.0.1", "1.1.0"].map((version) => sampleManifest(disk, { version })),
  sampleManifest(disk, { name: "ol6-sample-rehearsal", rehearsal: true }),
];
const store = memoryStore(published);
let folder: string;
let records: Records;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-channels-"));
  records = recordsIn(localHost(), folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));
const entry = (ref: string) => finder(store, records).find(ref);

describe("a channel", () => {
  it("points at the version it was promoted to, and records that", async () => {
    expect(await promote(records, await entry("ol6-sample@1.0.0"), "stable")).toEqual({
      channel: "stable",
      to: "1.0.0",
    });
    expect((await records.list()).map(({ version }) => version)).toEqual(["1.0.0"]);
    expect((await entry("ol6-sample@stable")).manifest.version).toBe("1.0.0");
    expect(await promote(records, await entry("ol6-sample@1.0.0"), "stable")).toMatchObject({
      from: "1.0.0",
    });
    expect((await records.channel("ol6-sample", "stable"))?.before).toEqual([]);
  });

  it("goes back step by step, skips revoked versions, and says why", async () => {
    for (const version of ["1.0.0", "1.0.1", "1.1.0"])
      await promote(records, await entry(`ol6-sample@${version}`), "stable");
    await records.revoke("ol6-sample", "1.0.1", { reason: "leaks", since: new Date().toISOString() });
    const back = await rollback(records, finder(store, records), "ol6-sample", "stable", "it hangs");
    expect(back).toEqual({ channel: "stable", from: "1.1.0", to: "1.0.0" });
    expect(await records.channel("ol6-sample", "stable")).toMatchObject({
      version: "1.0.0",
      why: "rolled back from 1.1.0: it hangs",
      before: [],
    });
    await expect(rollback(records, finder(store, records), "ol6-sample", "stable")).rejects.toThrow(
      /has no previous version that can still be used/,
    );
    await expect(rollback(records, finder(store, records), "ol6-sample", "candidate")).rejects.toThrow(
      /has no channel/,
    );
  });

  it("never leads to a rehearsal by mistake, and stable never does", async () => {
    const rehearsal = await entry("ol6-sample-rehearsal");
    await expect(promote(records, rehearsal, "candidate")).rejects.toMatchObject({
      fault: "usage",
      hint: expect.stringContaining("--allow-rehearsal"),
    });
    await expect(promote(records, rehearsal, "stable", { allowRehearsal: true })).rejects.toThrow(
      /can never become stable/,
    );
    expect(await promote(records, rehearsal, "candidate", { allowRehearsal: true })).toMatchObject({
      to: "1.0.0",
    });
    expect(warningsOf(rehearsal)).toEqual([expect.stringContaining("rehearsal")]);
  });

  it("never points at a revoked version", async () => {
    await records.revoke("ol6-sample", "1.0.0", { reason: "leaks keys", since: "2026-11-25T10:00:00.000Z" });
    await expect(promote(records, await entry("ol6-sample@1.0.0"), "stable")).rejects.toThrow(
      /was revoked: leaks keys/,
    );
    expect(warningsOf(await entry("ol6-sample@1.0.0"))).toEqual([
      "ol6-sample@1.0.0 was revoked on 2026-11-25: leaks keys",
    ]);
    await records.revoke("ol6-sample", "1.0.0", undefined);
    expect(warningsOf(await entry("ol6-sample@1.0.0"))).toEqual([]);
  });
});

describe("a name without a version", () => {
  const revoke = (version: string) =>
    records.revoke("ol6-sample", version, { reason: "leaks", since: "2026-11-25T10:00:00.000Z" });

  it("means the newest that is not revoked, and names the skipped ones", async () => {
    expect((await entry("ol6-sample")).manifest.version).toBe("1.1.0");
    await revoke("1.1.0");
    const found = await entry("ol6-sample");
    expect(found.manifest.version).toBe("1.0.1");
    const { passedOver } = finder(store, records);
    expect(await passedOver("ol6-sample", found)).toEqual([
      "ol6-sample@1.1.0 is newer and was revoked (leaks); this is 1.0.1",
    ]);
    expect(await passedOver("ol6-sample@1.0.1", found)).toEqual([]);
    expect((await entry("ol6-sample@1.1.0")).manifest.version).toBe("1.1.0");
  });

  it("is refused when all were revoked, and says how to have one all the same", async () => {
    for (const version of ["1.0.0", "1.0.1", "1.1.0"]) await revoke(version);
    await expect(entry("ol6-sample")).rejects.toMatchObject({
      message: "ol6-sample: all of its versions are revoked",
      hint: expect.stringContaining("ol6-sample@1.1.0"),
    });
  });
});

describe("a tag", () => {
  it("is a name that is neither a channel nor a version number", async () => {
    await tag(records, await entry("ol6-sample@1.0.1"), "audited-2026");
    expect((await entry("ol6-sample@audited-2026")).manifest.version).toBe("1.0.1");
    for (const name of ["stable", "1.0.0", "../x", "", "Ä"])
      await expect(tag(records, await entry("ol6-sample@1.0.1"), name)).rejects.toMatchObject({
        fault: "usage",
      });
  });
});

it("a partial file of a killed command beside the tags is not a tag", async () => {
  await tag(records, await entry("ol6-sample@1.0.0"), "audited");
  for (const name of ["audited.json.4711.part", ".tbuild-part-4711-1-abc-def-123456"])
    await writeFile(join(folder, "templates/ol6-sample/tags", name), "");
  expect(Object.keys(await records.tags("ol6-sample"))).toEqual(["audited"]);
});
