import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const pythonPrograms = ["forward", "xenstore-read", "xenstore-list", "ip"];
const program = join(import.meta.dirname, "oracle-vm-server.py");

/**
 * The programs of a dom0 over machines of qemu in `machines`, in `folder`, which is to stand first in PATH: `ssh` to `root@ovs1`
 * and `root@ovs2` is this machine, and everywhere else it is the real one.
 */
export async function fakeServer(folder: string, machines: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const text = (await readFile(program, "utf8")).replace("@MACHINES@", machines);
  const programs = { ssh, ...Object.fromEntries(pythonPrograms.map((name) => [name, text])) };
  for (const [name, content] of Object.entries(programs)) {
    await writeFile(join(folder, name), content);
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

const ssh = `#!/bin/sh
case "$* " in *" -- root@ovs1 "*|*" -- root@ovs2 "*) ;; *) exec /usr/bin/ssh "$@" ;; esac
while [ "$1" != -- ]; do
  [ "$1" != -W ] || exec "$(dirname -- "$0")/forward"
  shift
done
shift 2
exec sh -c "$*"
`;
