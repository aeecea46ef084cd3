import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { jsonReporter } from "../../src/cli/reporter.ts";

describe("events as JSON", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const lines: { text: string; done?: number; step: string }[] = [];
  const reporter = jsonReporter((line) => lines.push(JSON.parse(line)));
  const count = (step: string, text: string, done: number, total = 10_000) =>
    reporter.event("b-1", { type: "progress", step, text, done, total });

  it("have one count a second for each step, the first of each action, and the last", () => {
    for (let done = 0; done <= 10_000; done++) {
      count("pack-bundles", "packing ova", done);
      if (done % 100 === 0) vi.advanceTimersByTime(50);
    }
    count("pack-bundles", "packing qcow2", 0);
    count("fetch-medium", "making RPMs: dracut", 5);
    const told = (text: string) => lines.filter((line) => line.text === text).map(({ done }) => done);
    expect(told("packing ova")).toHaveLength(7);
    expect(told("packing ova").at(0)).toBe(0);
    expect(told("packing ova").at(-1)).toBe(10_000);
    expect(told("packing qcow2")).toEqual([0]);
    expect(told("making RPMs: dracut")).toEqual([5]);
  });

  it("have everything that is not a count", () => {
    lines.length = 0;
    for (const trial of ["trial1: booting", "trial2: booting"])
      reporter.event("b-1", { type: "progress", step: "boot-trial", text: trial });
    expect(lines.map(({ text }) => text)).toEqual(["trial1: booting", "trial2: booting"]);
  });
});
