import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../../host/wait-for.ts";
import { textOf } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";

/** The pid of a machine's qemu, if it runs. A pid that now belongs to another program does not count. */
export async function pidOf(folder: string): Promise<number | undefined> {
  const pid = await writtenPid(folder);
  if (pid === undefined) return undefined;
  return (await commandLine(pid)).includes(join(folder, "pid")) ? pid : undefined;
}

async function writtenPid(folder: string): Promise<number | undefined> {
  const pid = Number(((await textOf(join(folder, "pid"))) ?? "").trim());
  return pid > 0 ? pid : undefined;
}

async function commandLine(pid: number): Promise<string> {
  return (await ofProcess(pid, "cmdline")) ?? "";
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
  const name = (await ofProcess(pid, "comm")) ?? "";
  return name.startsWith("qemu") && (await commandLine(pid)) === "";
}

// A process that ends loses its command line first and its open files last. Its first thread may be a zombie while
// others still hold the files. Only a zombie without other threads has released its disks.
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await ofProcess(pid, "stat");
  if (stat === undefined) return true;
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  return /^.*\) [ZX]/s.test(stat) && threads.length <= 1;
}

/** `undefined` if it has ended. Another error, such as too many open files, does not say that. */
function ofProcess(pid: number, name: string): Promise<string | undefined> {
  const file = `/proc/${pid}/${name}`;
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(error.code ?? "")) return undefined;
    throw fileFault(error, file);
  });
}
