import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Interrupted, TbuildError } from "../../src/errors.ts";
import type { Host, Runner } from "../../src/host/host.ts";

/** A group of tests of one kind, with its set-up and its clean-up. */
interface Given<T> {
  /** What is missing on this machine for it. */
  readonly lacking?: string | undefined;
  readonly make: () => Promise<T>;
  after?(made: T): Promise<void>;
}

const words = ["a b", "", "it's", '"', "$HOME", "`id`", "two\nlines", "-n", "ü", "*", "\\"];

/** The contract of everything that runs commands. It needs only `sh` and `cat`. */
export function runnerContract(name: string, given: Given<Runner>): void {
  contractOf(`Runner contract: ${name}`, given, (get) => {
    it("passes each word as it is", async () => {
      const script = 'for word; do printf "%s\\0" "$word"; done';
      const { stdout } = await get().run(["sh", "-c", script, "sh", ...words]);
      expect(stdout.split("\0").slice(0, -1)).toEqual(words);
    });

    it("passes input and output byte by byte", async () => {
      const bytes = Uint8Array.from({ length: 4096 }, (_, i) => i & 255);
      expect(Buffer.from((await get().run(["cat"], { input: bytes })).bytes)).toEqual(Buffer.from(bytes));
      expect((await get().run(["cat"])).stdout).toBe("");
    });

    it("keeps stdout and stderr apart", async () => {
      const { stdout, stderr } = await get().run(["sh", "-c", "echo out; echo err >&2"]);
      expect([stdout, stderr]).toEqual(["out\n", "err\n"]);
    });

    it("throws with the program's output if the exit code is neither 0 nor allowed", async () => {
      expect(await get().run(["sh", "-c", "exit 3"], { allow: [3] })).toMatchObject({ exitCode: 3 });
      const error = await get()
        .run(["sh", "-c", "echo the reason >&2; exit 3"], { allow: [4] })
        .catch((caught) => caught);
      expect(error).toBeInstanceOf(TbuildError);
      expect(error).toMatchObject({
        subject: "sh",
        code: "command-failed",
        exitCode: 3,
        said: ["the reason"],
      });
    });

    it("throws for a program that is missing", async () => {
      const error = await get()
        .run(["tbuild-no-such-program"])
        .catch((caught) => caught);
      expect(error).toBeInstanceOf(TbuildError);
      expect(error).toMatchObject({ fault: "environment", subject: "tbuild-no-such-program" });
    });

    it("sets variables and the folder", async () => {
      const options = { env: { WORD: "a 'b'" }, cwd: "/usr/bin" };
      const { stdout } = await get().run(["sh", "-c", 'echo "$WORD"; pwd'], options);
      expect(stdout).toBe("a 'b'\n/usr/bin\n");
    });

    it("reports each line", async () => {
      const lines: string[] = [];
      await get().run(["sh", "-c", "echo one; echo two; printf three"], {
        onLine: (line) => lines.push(line),
      });
      expect(lines).toEqual(["one", "two", "three"]);
    });

    // The last test: a runner may be unusable after a command was stopped.
    it("stops a command at its deadline", async () => {
      await expect(get().run(["sleep", "20"], { timeoutMs: 300 })).rejects.toMatchObject({
        code: "timed-out",
      });
    });
  });
}

/** The rest of a machine's contract: files, and dialogues with programs. `folder` does not exist yet, and is for the files. */
export function hostContract(name: string, given: Given<Host>, folder: () => string): void {
  runnerContract(name, given);

  contractOf(`Host contract: ${name}`, given, (get) => {
    it("interrupts a command", async () => {
      const stop = new AbortController();
      const running = get().run(["sleep", "60"], { signal: stop.signal });
      setTimeout(() => stop.abort(), 200);
      await expect(running).rejects.toBeInstanceOf(Interrupted);
    });

    it("writes a file with its folders and mode, reads it, and replaces it", async () => {
      const path = `${folder()}/it's a/-folder/fi le`;
      const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i & 255);
      await get().writeFile(path, bytes, 0o600);
      expect(Buffer.from((await get().readFile(path)) ?? "")).toEqual(Buffer.from(bytes));
      const mode = async () => (await get().run(["stat", "-c", "%a", path])).stdout.trim();
      expect(await mode()).toBe("600");
      await get().writeFile(path, new Uint8Array());
      expect(await get().readFile(path)).toHaveLength(0);
      expect(await mode()).toBe("644");
      expect((await get().run(["ls", `${folder()}/it's a/-folder`])).stdout).toBe("fi le\n");
    });

    it("says of an absent file that it is absent, and fails for one that it cannot read", async () => {
      expect(await get().readFile("/no/such/file")).toBeUndefined();
      await expect(get().readFile("/usr")).rejects.toThrow();
    });

    it("exchanges lines with a program until it ends", async () => {
      const lines: string[] = [];
      const script = 'while read -r line; do echo "said $line"; done; exit 7';
      const talk = await get().talk(["sh", "-c", script], { onLine: (line) => lines.push(line) });
      talk.say("one");
      talk.say("two words");
      talk.sayNoMore();
      expect(await talk.ended).toBe(7);
      expect(lines).toEqual(["said one", "said two words"]);
    });

    it("ends a program in a dialogue", async () => {
      const talk = await get().talk(["sleep", "60"], { onLine: () => {} });
      talk.kill();
      expect(await talk.ended).toBeUndefined();
    });

    it("ends a program whose output another session holds", async () => {
      let isReady = false;
      const script = "setsid sleep 15 & echo ready; sleep 15";
      const talk = await get().talk(["sh", "-c", script], { onLine: () => (isReady = true) });
      await vi.waitFor(() => expect(isReady).toBe(true), { timeout: 60_000 });
      talk.kill();
      expect(await Promise.race([talk.ended, sleep(8_000, "still waiting")])).toBeUndefined();
    });

    it("connects a program's stdin and stdout to a stream of bytes", async () => {
      const stream = await get().join(["cat"]);
      const bytes = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255));
      const read: Buffer[] = [];
      stream.on("data", (data) => read.push(data));
      stream.end(bytes);
      await new Promise((done) => stream.once("end", done));
      expect(Buffer.concat(read).equals(bytes)).toBe(true);
    });
  });
}

function contractOf<T>(name: string, given: Given<T>, tests: (get: () => T) => void): void {
  describe.skipIf(given.lacking !== undefined)(
    `${name}${given.lacking ? ` — skipped: ${given.lacking}` : ""}`,
    () => {
      let made: T | undefined;
      beforeAll(async () => {
        made = await given.make();
      });
      afterAll(async () => {
        if (made !== undefined) await given.after?.(made);
      });
      tests(() => made as T);
    },
  );
}
