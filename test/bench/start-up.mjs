// make bench: the processor time of short commands compared with the start of node, the minimum for any node program:
// medians of nine runs, alternating. Wall time depends more on other work of the machine.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeImage } from "./guest.mjs";

const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const image = join(folder, "System.img");
makeImage(image);
const main = new URL("../../dist/bin/main.js", import.meta.url).pathname;
const commands = {
  "node -e 0": ["-e", "0"],
  "tbuild --help": [main, "--help"],
  "tbuild cat": [main, "cat", `${image}:/etc/fstab`],
  "tbuild repair --plan": [main, "repair", "--plan", image],
  "tbuild inspect": [main, "inspect", image],
};

/** Seconds of processor time, with those of all threads. */
function processorTime(args) {
  const { status, stderr } = spawnSync(
    "bash",
    ["-c", 'TIMEFORMAT="%U %S"; time "$@"', "-", process.execPath, ...args],
    {
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  if (status !== 0) throw new Error(`${args.join(" ")}: ${status}\n${stderr}`);
  const [user, system] = stderr.trim().split("\n").at(-1).split(" ").map(Number);
  return user + system;
}

const median = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
const names = Object.keys(commands);
const runs = Array.from({ length: 9 }, () => names.map((name) => processorTime(commands[name])));
const node = median(runs.map(([first]) => first));
for (const [index, name] of names.entries()) {
  const time = median(runs.map((run) => run[index]));
  console.log(
    `${name.padEnd(22)} ${(time * 1000).toFixed(0).padStart(5)} ms   ${(time / node).toFixed(2)} times node`,
  );
}
