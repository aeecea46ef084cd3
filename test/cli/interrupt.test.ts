import { describe, expect, it } from "vitest";
import { interruptible, stopWork } from "../../src/cli/interrupt.ts";
import { checkInterrupted, Interrupted } from "../../src/errors.ts";

describe("work whose output pipe was closed", () => {
  it("is stopped, and reported once", async () => {
    const said: string[] = [];
    const work = interruptible(
      "nothing was changed",
      (signal) => new Promise<string>((done) => signal.addEventListener("abort", () => done("cleaned up"))),
      (text) => void said.push(text),
    );
    expect(stopWork()).toBe(true);
    expect(stopWork()).toBe(true);
    expect(await work).toBe("cleaned up");
    expect(said).toEqual(["interrupted: cleaning up (interrupt again to stop at once)"]);
  });

  it("does nothing if no work is running", () => {
    expect(stopWork()).toBe(false);
  });
});

describe("interrupted work", () => {
  it("says what its own command leaves, whichever part noticed the interruption", async () => {
    const work = interruptible(
      "the copy was removed",
      async (signal) => {
        await new Promise((done) => signal.addEventListener("abort", done));
        try {
          checkInterrupted(signal);
        } finally {
          await Promise.resolve("cleaned up");
        }
      },
      () => {},
    );
    stopWork();
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Interrupted);
    expect((error as Interrupted).message).toBe("interrupted; the copy was removed");
  });

  it("fails with the earlier failure, if there was one", async () => {
    const work = interruptible(
      "the copy was removed",
      async () => {
        throw new Error("the disk is full");
      },
      () => {},
    );
    await expect(work).rejects.toThrow("the disk is full");
  });
});
