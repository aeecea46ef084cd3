import { describe, expect, it } from "vitest";
import { coveredBy, spanOf } from "../../src/build/spans.ts";
import { workTime } from "../../src/model/manifest.ts";

describe("the time that a template took", () => {
  const step = (made: string, ms: number) => spanOf({ made: `2026-01-01T00:${made}Z`, ms });

  it("counts steps side by side once, and not the time between two runs", () => {
    const installed = step("03:00.000", 180_000);
    const trial = step("07:00.000", 240_000);
    const packed = step("04:00.000", 60_000);
    expect(coveredBy([installed, trial, packed])).toBe(420_000);
    expect(coveredBy([installed, step("50:00.000", 60_000)])).toBe(240_000);
    expect(coveredBy([])).toBe(0);
  });

  it("is the sum of its steps where an older version of tbuild did not record it", () => {
    const timings = { "boot-trial": 240_000, "pack-bundles": 60_000 };
    expect(workTime({ timings })).toBe(300_000);
    expect(workTime({ timings, took: 240_000 })).toBe(240_000);
  });
});
