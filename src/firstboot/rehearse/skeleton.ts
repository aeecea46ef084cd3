import { cp, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../../io/folders.ts";
import { writeFile } from "../../io/write-file.ts";

/**
 * The files of a small guest, to which this machine's /usr is added. They are few on purpose: what a module finds here it
 * finds in every Enterprise Linux. For the files of a real guest there is `--tree`.
 */
export async function makeSkeleton(folder: string): Promise<void> {
  for (const path of folders) await makeFolders(join(folder, path));
  await makeFolders(join(folder, "tmp"), 0o1777);
  for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) {
    const target = await readlink(`/${name}`).catch(() => undefined);
    if (target !== undefined) await symlink(target, join(folder, name));
  }
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  for (const path of ["etc/shadow", "etc/gshadow"]) await writeFile(join(folder, path), "", { mode: 0o600 });
  await writeFile(join(folder, "etc/shadow"), shadow, { mode: 0o600 });
  for (const path of ofThisMachine)
    await cp(join("/", path), join(folder, path), { recursive: true, verbatimSymlinks: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      },
    );
}

// Files that programs in this machine's /usr need.
const ofThisMachine = ["etc/alternatives", "etc/pam.d", "etc/security", "etc/ld.so.cache", "etc/login.defs"];

const folders =
  "boot dev etc/default etc/init.d etc/profile.d etc/rc.d/init.d etc/security etc/skel etc/ssh etc/sysconfig/network-scripts etc/sysctl.d etc/systemd/system etc/template.d/scripts etc/udev/rules.d home media mnt opt proc root run srv sys tmp usr var/cache var/lib var/log var/spool/cron var/tmp".split(
    " ",
  );

const users: readonly (readonly [string, number, string, string])[] = [
  ["root", 0, "/root", "/bin/bash"],
  ["bin", 1, "/bin", "/sbin/nologin"],
  ["daemon", 2, "/sbin", "/sbin/nologin"],
  ["mail", 8, "/var/spool/mail", "/sbin/nologin"],
  ["sshd", 74, "/var/empty/sshd", "/sbin/nologin"],
  ["nobody", 99, "/", "/sbin/nologin"],
];

const shadow = users.map(([name]) => `${name}:*:19000:0:99999:7:::\n`).join("");

const files: Readonly<Record<string, string>> = {
  "etc/passwd": users
    .map(([name, id, home, shell]) => `${name}:x:${id}:${id}:${name}:${home}:${shell}\n`)
    .join(""),
  "etc/group": `${users.map(([name, id]) => `${name}:x:${id}:\n`).join("")}wheel:x:10:\nusers:x:100:\n`,
  "etc/hosts": "127.0.0.1 localhost localhost.localdomain\n::1 localhost localhost.localdomain\n",
  "etc/hostname": "clone.example\n",
  "etc/resolv.conf": "",
  "etc/fstab": "/dev/xvda1 / ext4 defaults 1 1\n",
  "etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=clone.example\n",
  "etc/sysctl.conf": "",
  "etc/nsswitch.conf": "passwd: files\nshadow: files\ngroup: files\nhosts: files dns\n",
  "etc/security/limits.conf": "",
  "etc/machine-id": "",
};
