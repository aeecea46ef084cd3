import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BuildEvent } from "../../../src/build/event.ts";
import { readRecord } from "../../../src/build/report/record.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-record-"));
});
afterEach(() => rm(folder, { recursive: true }));

const begin = Date.UTC(2026, 0, 1);
const at = (seconds: number, event: BuildEvent) =>
  JSON.stringify({ time: new Date(begin + seconds * 1000).toISOString(), build: "b", ...event });
const started = { type: "build-started", build: "b", steps: [], expected: {} } as const;
const step = (name: string) =>
  ({ type: "step-started", step: name, index: 1, of: 2, text: `do ${name}` }) as const;
const progress = (name: string, text: string) => ({ type: "progress", step: name, text }) as const;

async function recordOf(...lines: readonly string[]) {
  await writeFile(join(folder, "log.jsonl"), lines.join("\n"));
  return readRecord(join(folder, "log.jsonl"));
}

describe("the record of a build", () => {
  it("has the last run of a log, and nothing of a truncated line", async () => {
    const record = await recordOf(
      at(0, started),
      at(1, step("old")),
      at(100, started),
      at(101, { type: "step-kept", step: "medium", index: 1, of: 2 }),
      at(102, step("install")),
      '{"time":"2026-',
    );
    expect(record.steps).toMatchObject([
      { name: "medium", begin: 1000, end: 1000, state: "kept" },
      { name: "install", text: "do install", begin: 2000, end: 2000, state: "unfinished" },
    ]);
    expect(record.end).toBe(2000);
  });

  it("has each phase once, until the next phase of the same machine, however often it was counted", async () => {
    const { steps } = await recordOf(
      at(0, started),
      at(1, step("trial")),
      at(2, progress("trial", "clone1: booting")),
      at(3, progress("trial", "clone2: booting")),
      at(4, progress("trial", "clone1: booting")),
      at(6, progress("trial", "clone1: rebooting")),
      at(9, { type: "step-finished", step: "trial", ms: 8000 }),
      at(12, progress("other", "of a step that did not start")),
    );
    expect(steps[0]?.phases).toEqual([
      { lane: "clone1", text: "booting", begin: 2000, end: 6000 },
      { lane: "clone2", text: "booting", begin: 3000, end: 9000 },
      { lane: "clone1", text: "rebooting", begin: 6000, end: 9000 },
    ]);
  });

  it("has one phase for counted items, with or without names", async () => {
    const counted = (text: string, done: number, total: number): BuildEvent => ({
      ...progress("seal", text),
      done,
      total,
    });
    const { steps } = await recordOf(
      at(0, started),
      at(1, step("seal")),
      at(1, counted("making RPMs: bash", 1, 2)),
      at(2, counted("making RPMs: sed", 2, 2)),
      at(3, counted("passport", 1, 3)),
      at(4, counted("machine-id", 2, 3)),
      at(5, counted("logs", 3, 3)),
      at(6, counted("packing (x)", 1, 100)),
      at(7, counted("packing (x)", 99, 100)),
    );
    expect(steps[0]?.phases).toEqual([
      { text: "making RPMs", total: 2, begin: 1000, end: 3000 },
      { text: "passport … logs", total: 3, begin: 3000, end: 6000 },
      { text: "packing (x)", total: 100, begin: 6000, end: 7000 },
    ]);
  });

  it("keeps the last lines of a console, and the pictures with their times", async () => {
    const lines = Array.from({ length: 150 }, (_, index) =>
      at(2, { type: "output", from: "vm", line: `line ${index}` }),
    );
    const { steps } = await recordOf(
      at(0, started),
      at(1, step("install")),
      ...lines,
      at(3, { type: "picture", step: "install", file: "/p/a.png", text: "configuring" }),
      at(4, { type: "step-failed", step: "install", error: "no" }),
    );
    expect(steps[0]).toMatchObject({
      state: "failed",
      end: 4000,
      pictures: [{ file: "/p/a.png", text: "configuring", at: 3000 }],
    });
    expect(steps[0]?.console).toEqual(Array.from({ length: 100 }, (_, index) => `line ${index + 50}`));
  });

  it("is empty without a log", async () => {
    expect(await readRecord(join(folder, "none"))).toEqual({ steps: [], end: 0 });
  });
});
