import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { getPriority } from "node:os";
import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { describe, expect, it } from "vitest";
import { yieldingWorkers } from "../../src/host/worker-priority.ts";

/** The priorities of the other threads, of this thread, and of a program that is started now. */
function priorities() {
  const threads = readdirSync("/proc/self/task").map(Number);
  const child = Number(execFileSync("nice").toString());
  const workers = threads.filter((thread) => thread !== process.pid).map((thread) => getPriority(thread));
  return { workers: [...new Set(workers)], child, main: getPriority(process.pid) };
}

describe("worker threads beside machines", () => {
  it("yield the processor until they are released; programs do not", async () => {
    await promisify(deflate)(Buffer.alloc(1 << 20));
    const before = priorities();
    {
      await using _yielding = await yieldingWorkers();
      expect(priorities()).toEqual({ workers: [10], child: before.child, main: before.main });
    }
    if (process.getuid?.() === 0) expect(priorities().workers).toEqual([0]);
  });
});
