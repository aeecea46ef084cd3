import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const program = join(import.meta.dirname, "oracle-vm-server.py");

/**
 * The programs of a dom0 over machines of qemu in `machines`, in `folder`, which is to stand first in PATH: `ssh` to `root@ovs1`
 * and `root@ovs2` is this machine, and everywhere else it is the real one.
 */
export async function fakeServer(folder: string, machines: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const text = (await readFile(program, "utf8")).replace("@MACHINES@", machines);
  for (const name of ["ssh", "xenstore-read", "xenstore-list", "ip"]) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

/** Shows the disks of a simulator with real machines as servers do: below the ids of its repositories. */
export async function mountRepositories(to: string, disks: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await mkdir(join(to, id), { recursive: true });
    await symlink(disks, join(to, id, "VirtualDisks"));
  }
}
