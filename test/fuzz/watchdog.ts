import { Worker } from "node:worker_threads";

const mostSeconds = 20;
const mostMebibytes = 1024;

/** Watches code that may never return, and names the work at a kill. */
export interface Watchdog extends Disposable {
  /** Names the current attempt. */
  now(what: string): void;
}

// A loop that never ends stops every timer of its thread, so the watching is done by another one.
const script = `
const { workerData } = require("node:worker_threads");
const { writeSync } = require("node:fs");
const beats = new Int32Array(workerData.shared, 0, 2);
const text = new Uint8Array(workerData.shared, 8);
let [seen, since] = [-1, Date.now()];
setInterval(() => {
  const beat = Atomics.load(beats, 0);
  if (beat !== seen) [seen, since] = [beat, Date.now()];
  const mebibytes = process.memoryUsage.rss() / 2 ** 20 - workerData.base;
  const why = mebibytes > workerData.mostMebibytes ? Math.round(mebibytes) + " MiB of memory"
    : Date.now() - since > workerData.mostSeconds * 1000 ? "no end after " + workerData.mostSeconds + " s" : undefined;
  if (why === undefined) return;
  const what = Buffer.from(text.slice(0, Atomics.load(beats, 1))).toString();
  writeSync(2, "\\nfuzz: " + why + ": " + what + "\\n");
  process.kill(process.pid, "SIGKILL");
}, 100);
`;

/** Kills this process, after a line on stderr, when one thing takes over 20 seconds or the process grows by 1 GiB. */
export function watchdog(): Watchdog {
  const shared = new SharedArrayBuffer(8 + 4096);
  const beats = new Int32Array(shared, 0, 2);
  const text = new Uint8Array(shared, 8);
  const base = process.memoryUsage.rss() / 2 ** 20;
  const worker = new Worker(script, { eval: true, workerData: { shared, base, mostSeconds, mostMebibytes } });
  worker.unref();
  return {
    now(what) {
      const { written } = new TextEncoder().encodeInto(what.slice(0, 1000), text);
      Atomics.store(beats, 1, written);
      Atomics.add(beats, 0, 1);
    },
    [Symbol.dispose]: () => void worker.terminate(),
  };
}
