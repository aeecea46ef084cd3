import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { liveView } from "../../src/cli/live-view.ts";
import { lineReporter } from "../../src/cli/reporter.ts";
import { coloursFor } from "../../src/cli/words.ts";

const pieces = new RegExp(`(${String.fromCharCode(27)}\\[(\\d*)([A-Za-z]))|[\\s\\S]`, "gu");

/** A terminal that folds long lines and knows the sequences that we write. */
class Screen {
  readonly isTTY = true;
  columns: number;
  rows = 24;
  lines: string[] = [""];
  row = 0;
  column = 0;
  constructor(columns: number) {
    this.columns = columns;
  }
  write(text: string): boolean {
    for (const [part, , count, command] of text.matchAll(pieces)) {
      if (command === "A") this.row = Math.max(0, this.row - Number(count));
      else if (command === "J") this.lines = [...this.lines.slice(0, this.row), ""];
      else if (part === "\n") this.move(this.row + 1);
      else if (part === "\r") this.column = 0;
      else if (command === undefined) this.put(part);
    }
    return true;
  }
  private move(row: number): void {
    this.row = row;
    this.column = 0;
    while (this.lines.length <= row) this.lines.push("");
  }
  private put(char: string): void {
    const width = /[\u3000-\u9fff]/u.test(char) ? 2 : 1;
    if (this.column + width > this.columns) this.move(this.row + 1);
    this.lines[this.row] = (this.lines[this.row] ?? "").slice(0, this.column) + char;
    this.column += width;
  }
  get shown(): string[] {
    return this.lines.filter((line) => line !== "");
  }
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const build = "ol6-grid-rehearsal-6d2a25";

function building(columns: number) {
  const screen = new Screen(columns);
  const terminal = screen as unknown as NodeJS.WriteStream;
  const reporter = liveView(terminal, coloursFor(terminal));
  const steps = ["install-guest", "provision-guest"];
  const expected = { "install-guest": 60_000, "provision-guest": 30_000 };
  reporter.event(build, { type: "build-started", build, steps, expected });
  const text = "install Oracle Linux 6.10 by kickstart";
  reporter.event(build, { type: "step-kept", step: "fetch-medium", index: 1, of: 11 });
  reporter.event(build, { type: "step-started", step: "install-guest", index: 2, of: 11, text });
  for (const line of ["one", "two", "three", `${"日本語 ".repeat(20)}\u001b[2J`, "last"])
    reporter.event(build, { type: "output", from: "m", line });
  const progress = { type: "progress", step: "install-guest", text: "installing packages" } as const;
  reporter.event(build, { ...progress, done: 45, total: 148 });
  return { screen, reporter };
}

describe.each([20, 40, 80, 120])("on a terminal of %i columns", (columns) => {
  it("a running build takes only a few lines, however long it runs", () => {
    const { screen } = building(columns);
    vi.advanceTimersByTime(10_000);
    expect(screen.shown.length).toBeLessThanOrEqual(6 + Math.floor(40 / columns));
    expect(screen.shown.join("\n")).toContain("2/11 install-gue");
    expect(screen.shown.join("\n")).toContain(columns > 20 ? "installing packages" : "insta");
    expect(screen.shown.at(-1)).toBe("  │ last");
    for (const line of screen.shown) expect(line.length).toBeLessThanOrEqual(columns);
  });

  it("nothing drawn is left when it becomes narrower", () => {
    const { screen, reporter } = building(columns);
    vi.advanceTimersByTime(1_000);
    screen.columns = Math.floor(columns / 2);
    reporter.close();
    // This terminal does not fold shown lines again, so the report clears at least everything.
    expect(screen.shown.join("\n")).not.toContain("│ last");
  });

  it("the message of an interruption stays, and says that the build cleans up", () => {
    const { screen, reporter } = building(columns);
    reporter.say("interrupted");
    vi.advanceTimersByTime(5_000);
    expect(screen.shown).toContain("interrupted");
    if (columns > 20) expect(screen.shown.join("\n")).toContain("cleaning up");
  });
});

it("shows the remaining time, and when a step takes longer than before", () => {
  const { screen } = building(120);
  vi.advanceTimersByTime(20_000);
  expect(screen.shown.join("\n")).toContain("0:20, about 1:10 left in total");
  vi.advanceTimersByTime(50_000);
  expect(screen.shown.join("\n")).toContain("1:10, longer than usual");
});

describe.each([40, 80, 120])("two steps side by side on a terminal of %i columns", (columns) => {
  const both = (seconds: number) => {
    const screen = new Screen(columns);
    const terminal = screen as unknown as NodeJS.WriteStream;
    const reporter = liveView(terminal, coloursFor(terminal));
    const steps = ["boot-trial", "pack-bundles", "publish-template"];
    const expected = { "boot-trial": 120_000, "pack-bundles": 30_000, "publish-template": 1_000 };
    const sideBySide = [["boot-trial", "pack-bundles"]];
    reporter.event(build, { type: "build-started", build, steps, expected, sideBySide });
    const at = (index: number) => ({ index, of: 11, text: "working" });
    reporter.event(build, { type: "step-started", step: "boot-trial", ...at(9) });
    reporter.event(build, { type: "step-started", step: "pack-bundles", ...at(10) });
    const packing = { type: "progress", step: "pack-bundles", text: "packing ova" } as const;
    reporter.event(build, { ...packing, done: 1, total: 2 });
    reporter.event(build, { type: "progress", step: "boot-trial", text: "trial1: configuring" });
    for (const line of ["one", "two", "three", "four"])
      reporter.event(build, { type: "output", step: "boot-trial", from: "m", line });
    vi.advanceTimersByTime(seconds * 1000);
    return { screen, reporter, shown: () => screen.shown.map((line) => line.replace(/^[⠀-⣿] /, "")) };
  };

  it("each has its lines, its time and its console, and the time left is that of the longer one", () => {
    const [head = "", ...others] = both(10).shown();
    expect(head).toContain(
      columns > 40 ? "9/11 boot-trial  0:10, about 1:51 left in total" : "9/11 boot-trial  0:10, 1:51 left",
    );
    expect(others.slice(0, -1)).toEqual([
      "  trial1: configuring",
      "  │ two",
      "  │ three",
      "  │ four",
      "10/11 pack-bundles  0:10",
    ]);
    expect(others.at(-1)).toMatch(/^ {2}packing ova {3}50 % \S+$/);
    for (const line of others) expect(line.length).toBeLessThan(columns);
  });

  it("the one that finished scrolls up, and the other stays", () => {
    const { reporter, shown } = both(10);
    reporter.event(build, { type: "step-finished", step: "pack-bundles", ms: 10_000 });
    expect(shown()[0]).toContain("pack-bundles");
    expect(shown().slice(-4)).toEqual(["  trial1: configuring", "  │ two", "  │ three", "  │ four"]);
    expect(shown().at(-5)).toMatch(/^9\/11 boot-trial/);
  });

  it("on few rows both steps are shown before the console", () => {
    const { screen, shown } = both(0);
    screen.rows = 4;
    vi.advanceTimersByTime(1000);
    expect(shown().map((line) => line.split("  ")[0])).toEqual(["9/11 boot-trial", "10/11 pack-bundles"]);
  });
});

it("a log has a line for every tenth of a count, and no counts of bytes", () => {
  const lines: string[] = [];
  const reporter = lineReporter((line) => lines.push(line), { verbose: true });
  for (const format of ["ova", "qcow2"])
    for (let done = 0; done <= 12_884_901_888; done += 8_388_608)
      reporter.event("b", {
        ...({ type: "progress", step: "pack-bundles", text: `packing ${format}` } as const),
        done,
        total: 12_884_901_888,
      });
  expect(lines).toHaveLength(22);
  expect(lines[5]).toMatch(/packing ova \(50 %\)$/);
});
