import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { resolve } from "node:path";

export const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

/** Starts tbuild and kills it after `ms`, or as soon as a name beside the images in `folder` changes. */
export function killed(
  args: readonly string[],
  folder: string,
  ms: number | undefined,
): Promise<"by itself" | "killed"> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "ignore", "pipe"] });
    const kill = () => child.kill("SIGKILL");
    const timer = ms === undefined ? undefined : setTimeout(kill, ms);
    const marks = ["tbuild-redo", "tbuild-undo", "tbuild-new"];
    const mark = marks[Math.floor(Math.random() * marks.length)] ?? "";
    const watcher =
      ms === undefined
        ? watch(folder, (_event, name) => {
            if (name?.includes(mark)) setTimeout(kill, Math.random() * 3);
          })
        : undefined;
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      watcher?.close();
      if (code !== null && code !== 0) failed(new Error(said));
      else done(signal === null ? "by itself" : "killed");
    });
  });
}
