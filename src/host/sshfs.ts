import { TbuildError } from "../errors.ts";
import { type Held, hold } from "./hold.ts";
import { localHost } from "./local.ts";
import type { FarHost } from "./ssh.ts";

/** A folder of another machine, mounted here. */
export interface SeenFolder extends AsyncDisposable {
  readonly at: string;
}

/**
 * Mounts `folder` of `far` here with sshfs. Any ssh server works, nothing is installed there, and no root is needed.
 * From OpenSSH 6.5 on (fsync@openssh.com), data synced here is on the disk there. An older server, such as Oracle VM
 * Server's, may lose recent data if its power fails.
 */
export async function seeFolder(far: FarHost, folder: string): Promise<SeenFolder> {
  const held = await mounted(far, folder);
  return { at: held.said, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

async function mounted(far: FarHost, folder: string): Promise<Held> {
  const here = localHost();
  await here.run(["sshfs", "--version"]).catch((cause) => {
    throw new TbuildError("environment", "sshfs is not installed locally; it is required for remote images", {
      subject: far.name,
      hint: "apt-get install sshfs",
      cause,
    });
  });
  return hold(here, `${far.name}:${folder}: sshfs`, script, [
    `${far.name}:${folder}`,
    // Changes made on the other side must be visible immediately.
    ...[...far.sshOptions, "-o", "dir_cache=no", "-o", "attr_timeout=0", "-o", "entry_timeout=0"],
  ]);
}

// sshfs ends itself with a signal when its connection breaks, so it must not ignore that signal.
const script = `
from=$1
shift
folder=$(own_folder far) && mkdir "$folder/seen" && at=$(readlink -f "$folder/seen") || exit 1
(trap - HUP INT TERM PIPE; exec sshfs "$@" "$from" "$at") || { rmdir "$at" "$folder"; exit 1; }
echo "tbuild-ready $at"
until_gone
unmount=$(command -v fusermount3 || command -v fusermount)
! grep -q " $at " /proc/mounts || again "$unmount" -u "$at"
rmdir "$at" "$folder"`;
