import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";

/** The boot id of the kernel (random(4)), and the pid namespace (pid_namespaces(7)). */
export async function bootId(): Promise<string> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "unknown");
  return `${boot.trim()}:${await processWorld()}`;
}

/** The number of the pid namespace; empty if the kernel has none. */
export async function processWorld(): Promise<string> {
  const world = await readlink("/proc/self/ns/pid").catch(() => "");
  return world.replace(/\D/g, "");
}

// Two machines may have the same name, and two machines of one image the same machine-id, but hardly ever
// both.
export async function hostId(): Promise<string> {
  const machine = await readFile("/etc/machine-id", "utf8").catch(() => "");
  return `${hostname()}:${machine.trim()}`;
}

// Pids are reused. A process is the same one only if its start time is the same, too (proc(5), stat field
// 22).
export async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone";
}
