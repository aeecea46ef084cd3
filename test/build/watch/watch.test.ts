import { describe, expect, it } from "vitest";
import { duration, failureOf, watchInstaller } from "../../../src/build/watch/watch.ts";

async function watch(lines: readonly string[], silenceMs?: number) {
  const told: string[] = [];
  async function* console_(): AsyncIterable<string> {
    yield* lines;
    if (silenceMs !== undefined) await new Promise(() => {});
  }
  const progress = (text: string, done?: number, total?: number) =>
    told.push(total ? `${text} ${done}/${total}` : text);
  await watchInstaller(console_(), {
    nonce: "n0nce",
    signal: new AbortController().signal,
    progress,
    ...(silenceMs !== undefined && { silenceMs }),
  });
  return told;
}

describe("the watch over an installer", () => {
  it("does not round the time of silence up", async () => {
    expect(["30 minutes", "90 seconds", "1 minute", "1 second"]).toEqual(
      [1_800_000, 90_000, 60_000, 400].map(duration),
    );
  });

  it("reads EL6: phases and package count", async () => {
    const told = await watch([
      "Running anaconda 13.21.263, the Oracle Linux Server system installer - please wait.",
      "Packages completed: 12 of 148",
      "Running post-installation scripts",
      "TBUILD n0nce RESULT OK",
      "powering off system",
    ]);
    expect(told).toEqual([
      "the installer starts",
      "installing packages 12/148",
      "running the kickstart's scripts",
      "powering off",
    ]);
  });

  it("reads EL7 through the colours and cursor movements of its screen", async () => {
    const told = await watch([
      "\u001b[1;33mStarting automated install\u001b[0m",
      "\u001b[2J\u001b[HInstalling bash-4.2.46 (3/290)",
      "TBUILD n0nce RESULT OK",
    ]);
    expect(told).toEqual(["reading the medium", "installing packages 3/290"]);
  });

  it.each([
    [["TBUILD other RESULT OK"], "the kickstart did not report success"],
    [["TBUILD n0nce RESULT FAIL rc=1"], "the kickstart's script reported FAIL rc=1"],
    [[], "the kickstart did not report success"],
    [["Kernel panic - not syncing: VFS: Unable to mount root fs"], "the kernel panicked: VFS"],
    [
      ["The following problem occurred on line 7 of the kickstart file:", "", "Unknown command: foo"],
      "the kickstart has an error on line 7",
    ],
    [["TBUILD n0nce RESULT OK", "Traceback (most recent call last):"], "the installer crashed"],
    [["Can't have a question in command line mode!"], "asks a question"],
  ])("%j is a failure", async (lines, words) => {
    await expect(watch(lines)).rejects.toThrow(words);
  });

  it("does not wait for the end of a console that reports a failure and hangs", async () => {
    await expect(watch(["you may safely reboot your system"], 60_000)).rejects.toThrow("gave up");
  });

  it("ends after silence", async () => {
    await expect(watch(["Starting install process"], 50)).rejects.toThrow("has printed nothing for 1 second");
  });

  it("shows no control character of a guest", () => {
    expect(failureOf("Kernel panic - not syncing: \u001b]0;x\u0007evil")?.message).not.toMatch(/\p{Cc}/u);
  });
});
