import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const pythonPrograms = ["forward", "xenstore-read", "xenstore-list", "ip"];
const program = join(import.meta.dirname, "oracle-vm-server.py");

/**
 * The programs of a dom0 for qemu machines in `machines`. They are in `folder`, which must come first in PATH: `ssh` to
 * `root@ovs1` and `root@ovs2` reaches this machine, and is the real ssh otherwise.
 */
export async function fakeServer(folder: string, machines: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const text = (await readFile(program, "utf8")).replace("@MACHINES@", machines);
  const programs = { ssh, ...Object.fromEntries(pythonPrograms.map((name) => [name, text])) };
  await writePrograms(folder, programs);
  return folder;
}

/**
 * A qemu, in `folder`, which also forwards a port to port 22 of the guest at each of these addresses. qemu's own network
 * has only one.
 */
export async function qemuForGuestsAt(folder: string, addresses: readonly string[]): Promise<void> {
  const text = (await readFile(join(import.meta.dirname, "forwarding-qemu.py"), "utf8"))
    .replace("@FOLDER@", folder)
    .replace("@ADDRESSES@", addresses.join(" "));
  await writePrograms(folder, { "qemu-system-x86_64": text });
}

async function writePrograms(folder: string, programs: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(programs)) {
    await writeFile(join(folder, name), content);
    await chmod(join(folder, name), 0o755);
  }
}

/** Shows the disks of a simulator with real machines like a server: below the IDs of its repositories. */
export async function mountRepositories(to: string, disks: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await mkdir(join(to, id), { recursive: true });
    await symlink(disks, join(to, id, "VirtualDisks"));
  }
}

// A server's name is also in the ProxyCommand of a guest behind it.
const ssh = `#!/bin/sh
before=
for one in "$@"; do
  case "$before $one" in "-- root@ovs1"|"-- root@ovs2") here=yes ;; esac
  before=$one
done
[ "$here" ] || exec /usr/bin/ssh "$@"
while [ "$1" != -- ]; do
  [ "$1" != -W ] || exec "$(dirname -- "$0")/forward" "$2"
  shift
done
shift 2
exec sh -c "$*"
`;
