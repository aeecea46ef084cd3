import type { GuestTree } from "../../image/tree.ts";
import { edits, emptiesFolders, isKept, type PathOperation, removes } from "../operation.ts";

const homes = ["/root", "~"];

export const histories = removes({
  name: "histories",
  summary: "Remove the histories of shells, editors and clients",
  paths: homes.flatMap((home) =>
    [
      // bash, zsh, ksh, python, mysql, psql, sqlite, rediscli, sqlplus and rman under rlwrap, irb, php, node ...
      ".*_history",
      ".*-history",
      ".*_hist",
      ".history",
      ".histfile",
      ".dbshell",
      ".Rhistory",
      ".viminfo",
      ".viminfo.tmp",
      ".vim/.netrwhist",
      ".local/share/nvim/shada/*",
      ".local/share/fish/fish_history",
      ".local/share/nano/*_history",
      ".local/share/recently-used.xbel",
      ".ipython/profile_*/history.sqlite",
      ".mongodb/mongosh/*_repl_history",
      ".local/share/mc/history",
      ".mc/history",
      ".sqlcl/*history*",
      ".nano/*history*",
      ".lesshst",
      ".local/state/lesshst",
      ".wget-hsts",
      ".lftp/rl_history",
      ".vnc/passwd",
      ".vnc/*.log",
      ".Xauthority",
      ".ICEauthority",
      ".xauth*",
      ".xsession-errors*",
      // The random seed of OpenSSL and GnuPG.
      ".rnd",
      ".gnupg/random_seed",
      ".putty/randomseed",
      ".config/pulse/cookie",
      ".pulse-cookie",
      ".esd_auth",
    ].map((name) => `${home}/${name}`),
  ),
});

export const installerTraces = removes({
  name: "installer-traces",
  summary: "Remove leftovers of the installer and the build",
  paths: [
    "/root/anaconda-ks.cfg",
    "/root/initial-setup-ks.cfg",
    "/root/original-ks.cfg",
    "/root/install.log*",
    "/root/anaconda-post.log",
    "/root/anaconda-screenshots",
    "/var/lib/anaconda",
    "/etc/sysconfig/firstboot-ks.cfg",
    "/ks-script-*",
    "/root/ks-*",
    "/root/tbuild-*",
    "/root/.tbuild-*",
    "/var/lib/tbuild",
    "/tmp/tbuild-*",
  ],
});

export const temporaryFiles = emptiesFolders({
  name: "temporary-files",
  summary: "Empty /tmp and /var/tmp",
  comesBack: true,
  paths: ["/tmp", "/var/tmp"],
});

export const mail = emptiesFolders({
  name: "mail",
  summary: "Empty the mail boxes and queues",
  comesBack: true,
  paths: [
    "/var/spool/mail",
    "/var/mail",
    "/var/spool/mqueue",
    "/var/spool/clientmqueue",
    ...[
      "active",
      "bounce",
      "corrupt",
      "defer",
      "deferred",
      "flush",
      "hold",
      "incoming",
      "maildrop",
      "saved",
    ].map((queue) => `/var/spool/postfix/${queue}`),
  ],
});

/** It stays, because at does not work without it (at.c, `nextjob`). */
export const atCounter = edits({
  name: "at-counter",
  summary: "Reset the counter of at jobs",
  paths: ["/var/spool/at/.SEQ"],
  change: (text) => (/^0*\s*$/.test(text) ? text : "00000\n"),
});

/** at counts its jobs in a hidden file beside them and writes to a folder. Both stay. */
export const cronSpool = removes({
  name: "cron-spool",
  summary: "Remove the users' cron tables and at jobs",
  paths: [
    "/var/spool/cron/*",
    "/var/spool/at/a*",
    "/var/spool/at/b*",
    "/var/spool/at/=*",
    "/var/spool/at/spool/*",
    "/var/spool/anacron/*",
  ],
});

export const crashes = removes({
  name: "crashes",
  summary: "Remove core dumps and crash reports",
  paths: [
    "/var/crash/*",
    "/var/spool/abrt/*",
    "/var/tmp/abrt/*",
    "/var/lib/systemd/coredump/*",
    "/core",
    "/core.*",
    "/root/core",
    "/root/core.*",
    "/var/account/pacct*",
    "/var/log/dump/*",
    "/var/spool/rhsm/debug/*",
  ],
});

/** Searched for, because Oracle's preinstall packages put them beside every file that they change. */
export const backupFiles: PathOperation = backupsExcept([]);

function backupsExcept(kept: readonly string[]): PathOperation {
  const pending = async (tree: GuestTree) => (await backupsIn(tree)).filter((path) => !isKept(path, kept));
  return {
    name: "backup-files",
    summary: "Remove copies that packages and editors made of files they changed",
    needs: "files",
    pending,
    async apply(tree) {
      for (const path of await pending(tree)) await tree.remove(path);
    },
    except: backupsExcept,
  };
}

// The last two: swap files of vi, and what Emacs saves by itself.
const copies = /(?:\.orabackup[.\w]*|\.uln-\w+|\.rpmsave|\.rpmorig|\.bak|~|\/\.[^/]*\.sw[a-p]|\/#[^/]+#)$/;

// Paths that separate operations handle, and can be told to keep.
function isOthers(path: string): boolean {
  return /^\/etc\/(?:blkid\.tab|(?:passwd|shadow|group|gshadow|subuid|subgid)\.)|\/ifcfg-/.test(path);
}

async function backupsIn(tree: GuestTree): Promise<string[]> {
  const found: string[] = [];
  for (const dir of ["/etc", "/boot", "/root", "/srv", "/var"])
    for await (const { path, stat } of tree.walk(dir))
      if (stat.kind === "file" && copies.test(path) && !isOthers(path)) found.push(path);
  for (const path of await tree.glob("/etc/*.old")) if (!isOthers(path)) found.push(path);
  return found;
}
