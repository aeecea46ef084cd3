import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../../host/wait-for.ts";

/** The pid of a machine's qemu, if it runs. A pid that now belongs to another program does not count. */
export async function pidOf(folder: string): Promise<number | undefined> {
  const pid = await writtenPid(folder);
  if (pid === undefined) return undefined;
  return (await commandLine(pid)).includes(join(folder, "pid")) ? pid : undefined;
}

async function writtenPid(folder: string): Promise<number | undefined> {
  const pid = Number((await readFile(join(folder, "pid"), "utf8").catch(() => "")).trim());
  return pid > 0 ? pid : undefined;
}

async function commandLine(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
}

export async function kill(folder: string): Promise<void> {
  const pid = await writtenPid(folder);
  if (pid === undefined) return;
  if ((await pidOf(folder)) !== undefined) process.kill(pid, "SIGKILL");
  else if (!(await isEnding(pid))) return;
  await waitFor(`qemu ${pid}: end`, async () => ((await hasEnded(pid)) ? true : undefined), {
    timeoutMs: 30_000,
    everyMs: 20,
  });
}

async function isEnding(pid: number): Promise<boolean> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.startsWith("qemu") && (await commandLine(pid)) === "";
}

// A process that ends loses its command line first and its open files last. Its first thread may be a zombie while
// others still hold the files. Only a zombie without other threads has released its disks.
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return true;
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  return /^.*\) [ZX]/s.test(stat) && threads.length <= 1;
}
