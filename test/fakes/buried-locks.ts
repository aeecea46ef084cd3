import { readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";

/** Makes the locks in a folder those of a dead process, as if the one that holds them had ended. */
export async function buryLocks(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const holder = await readlink(path).catch(() => undefined);
    if (holder === undefined) continue;
    await rm(path);
    // No process has this pid (pid_max is at most 4194304).
    await symlink(holder.replace(/^\d+/, "9999999"), path);
  }
}
