import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { fileFault } from "../io/file-fault.ts";

/** The boot id of the kernel (random(4)), and the pid namespace (pid_namespaces(7)). */
export async function bootId(): Promise<string> {
  return `${await kernelBoot()}:${await processWorld()}`;
}

/** The boot id of the kernel: another one after each start of this machine. `unknown` if the system hides it. */
export async function kernelBoot(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(withheld("unknown"))).trim();
}

/** The number of the pid namespace; empty if the kernel has none. */
export async function processWorld(): Promise<string> {
  const world = await readlink("/proc/self/ns/pid").catch(withheld(""));
  return world.replace(/\D/g, "");
}

// Two machines may have the same name, and two machines of one image the same machine-id, but hardly ever
// both.
export async function hostId(): Promise<string> {
  const machine = await readFile("/etc/machine-id", "utf8").catch(withheld(""));
  return `${hostname()}:${machine.trim()}`;
}

// Pids are reused. A process is the same one only if its start time is the same, too (proc(5), stat field
// 22).
export async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(withheld(""));
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone";
}

/** True if the process that started then may still run: also if this machine hides it from us (`hidepid`, proc(5)). */
export async function mayRun(pid: number, start: string): Promise<boolean> {
  const now = await startOf(pid);
  return now === start || (now === "gone" && isHidden(pid));
}

function isHidden(pid: number): boolean {
  try {
    // Without a file in /proc, only a process of another user can be there.
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** For what a system lacks or does not show. That a file could not be opened now, such as with too many open, says nothing. */
function withheld(instead: string): (error: NodeJS.ErrnoException) => string {
  return (error) => {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(error.code ?? "")) return instead;
    throw fileFault(error, error.path ?? "/proc");
  };
}
