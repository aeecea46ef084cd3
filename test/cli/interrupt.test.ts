import { describe, expect, it } from "vitest";
import { interruptible, stopWork } from "../../src/cli/interrupt.ts";

describe("work that a reader of our output has left", () => {
  it("is stopped, and people are told once", async () => {
    const said: string[] = [];
    const work = interruptible(
      (signal) => new Promise<string>((done) => signal.addEventListener("abort", () => done("cleaned up"))),
      (text) => void said.push(text),
    );
    expect(stopWork()).toBe(true);
    expect(stopWork()).toBe(true);
    expect(await work).toBe("cleaned up");
    expect(said).toEqual(["interrupted: cleaning up (again to stop at once)"]);
  });

  it("is nothing when nothing is at work", () => {
    expect(stopWork()).toBe(false);
  });
});
