import { TbuildError } from "../../errors.ts";
import { shellQuoted } from "../../host/local.ts";
import { printable } from "../../io/escape.ts";
import { bytesOf, stringOf } from "../names.ts";
import type { ChangedFile, Programs, Terminal } from "../programs.ts";
import { kindOfType } from "./survey-script.ts";
import type { UmlMachine } from "./uml-machine.ts";

/** Of a machine that runs programs of a guest, such as rpm and dracut. */
export const programsMemoryMiB = 1024;

/**
 * Runs programs of the guest below `root` in User-mode Linux. As root, they could mount this machine's files there, or change
 * the kernel. So they lose the capabilities for it, and a namespace hides the processes whose root is outside of the guest.
 */
export function umlPrograms(machine: UmlMachine, root: string): Programs {
  return {
    async run(argv, { input, onOutput, onTerminal, signal } = {}) {
      await machine.run(["sh", "-c", `touch ${startMark} && sleep 0.05`]);
      const inside = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "sh", "-c", enterScript];
      const command = [...inside, "sh", root, onTerminal?.kind ?? "dumb", ...argv];
      const exitCode = await machine.stream(onTerminal ? onTty(command, onTerminal) : command, {
        ...(input && { input }),
        ...(onOutput && { onOutput }),
        ...(signal && { signal }),
      });
      return { exitCode, changed: await changedFiles(machine, root) };
    },
    async label(labels) {
      const lines = [...labels].flatMap(([path, label]) => [`${label}\0${root}${path}\0`]);
      await machine.run(["xargs", "-0", "-r", "-n", "2", "chcon", "-h", "--"], {
        input: Buffer.concat(lines.map(bytesOf)),
      });
    },
  };
}

const startMark = "/mnt/start";

// The time of change of an inode cannot be set by a program, unlike the time of its contents.
async function changedFiles(machine: UmlMachine, root: string): Promise<ChangedFile[]> {
  const { bytes, stderr } = await machine.run(
    ["find", `${root}/`, "-cnewer", startMark, "-printf", "%y %Z\\0%P\\0"],
    // A file without a label is an error to find.
    { allow: [1] },
  );
  const unread = stderr.split("\n").filter((line) => line !== "" && !line.includes("getfilecon failed"));
  if (unread.length > 0)
    throw new TbuildError("guest", "it is not known which files changed: find cannot read all of the guest", {
      subject: "uml",
      lines: unread.slice(-5).map(printable),
      hint: "The image was not changed. Check its file systems with e2fsck or xfs_repair.",
    });
  const fields = stringOf(bytes).split("\0").slice(0, -1);
  const found: ChangedFile[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [type = "", label = ""] = (fields[at] ?? "").split(" ");
    found.push({
      path: `/${fields[at + 1]}`,
      kind: kindOfType(type),
      ...(label.includes(":") && { label }),
    });
  }
  return found;
}

// An interactive shell needs a controlling terminal, which a new session takes.
function onTty(command: readonly string[], { rows, columns }: Terminal): string[] {
  const script = `stty rows ${rows} cols ${columns} sane < /dev/tty1
exec setsid -c -w ${shellQuoted(command)} < /dev/tty1 > /dev/tty1 2>&1`;
  return ["sh", "-c", script];
}

/**
 * The capabilities that stay, by number (include/uapi/linux/capability.h): CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER,
 * FSETID, KILL, SETGID, SETUID, LINUX_IMMUTABLE, NET_BIND_SERVICE, SYS_NICE, SYS_RESOURCE, AUDIT_WRITE, SETFCAP. Not among
 * them: SYS_ADMIN mounts, SYS_CHROOT leaves a root, SYS_PTRACE enters a process, SYS_MODULE and SYS_RAWIO change the kernel,
 * MKNOD reaches the disk.
 */
const keptCapabilities = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 23, 24, 29, 31];

// Shell and Perl: sets up what a program expects, and enters the guest. A folder that is a link in the guest could lead out
// of it, and gets nothing. Only a process that has already lost its capabilities runs a program of the guest.
const enterScript = `
root=$1 kind=$2
shift 2
own() { [ ! -L "$root/$1" ] && [ -d "$root/$1" ]; }
made() { mknod -m "$2" "$root/dev/$1" c "$3" "$4"; }
! own proc || mount -t proc -o ro,nosuid,nodev,noexec proc "$root/proc" || exit 125
! own sys || mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" || exit 125
! own run || mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run" || exit 125
if own dev; then
  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev" || exit 125
  made null 666 1 3; made zero 666 1 5; made full 666 1 7; made random 666 1 8; made urandom 666 1 9
  made tty 666 5 0; made tty1 600 4 1
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"; ln -s /proc/self/fd/1 "$root/dev/stdout"; ln -s /proc/self/fd/2 "$root/dev/stderr"
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
  mount -o remount,ro,nosuid "$root/dev" || exit 125
fi
hostname localhost
exec perl -e '
my ($root, $kind, $last, @program) = @ARGV;
my %kept = map { $_ => 1 } (${keptCapabilities.join(", ")});
for my $one (0 .. $last) {
  next if $kept{$one};
  # prctl(PR_CAPBSET_DROP), for x86-64
  syscall(157, 24, $one, 0, 0, 0) == 0 or die "capability $one: $!\\n";
}
chroot($root) or die "chroot: $!\\n";
chdir("/") or die "chdir: $!\\n";
%ENV = (PATH => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME => "/root", USER => "root",
  LOGNAME => "root", SHELL => "/bin/sh", TERM => $kind, SYSTEMD_OFFLINE => "1", PS1 => "guest# ");
exec { $program[0] } @program;
print STDERR "$program[0]: $!\\n";
exit($!{ENOENT} ? 127 : 126);
' "$root" "$kind" "$(cat /proc/sys/kernel/cap_last_cap)" "$@"`;
