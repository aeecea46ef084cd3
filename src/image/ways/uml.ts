import { chmod, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Host, Output, RunOptions, Talk } from "../../host/host.ts";
import { shellQuoted, talkHere } from "../../host/local.ts";
import type { Watch } from "../../host/pace.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { printable } from "../../io/escape.ts";
import type { ImageAccess, Mount, Volume } from "../access.ts";
import type { GuestTree } from "../tree.ts";
import { mountedTree } from "./mounted-tree.ts";
import { byDepth, guestsFault, kernelFileSystems, linearTable, mountOptions, noFolder } from "./mounting.ts";

/**
 * User-mode Linux: a kernel as an ordinary process, with this machine's programs, and the image as its disk. It opens
 * whatever its kernel supports, without root: XFS, btrfs, logical volumes in pieces. The guest's programs run in it.
 */
export function umlAccess(host: Host): ImageAccess {
  return {
    name: "uml",
    runsPrograms: true,
    joinsPieces: true,
    filesystems: kernelFileSystems,
    async check() {
      await host.run(["linux.uml", "--version"]).catch((cause) => {
        throw new TbuildError("environment", "Debian's package user-mode-linux is not installed", {
          subject: "uml",
          cause,
        });
      });
    },
    async open(image, mounts, { readOnly = false, watch = {} } = {}) {
      const machine = await startMachine(image, readOnly, watch.signal);
      try {
        return await mountAll(machine, mounts, readOnly, watch);
      } catch (error) {
        await machine.end();
        throw error;
      }
    },
  };
}

interface Machine extends Host {
  end(): Promise<void>;
}

const root = "/mnt/guest";

async function mountAll(
  machine: Machine,
  mounts: readonly Mount[],
  readOnly: boolean,
  watch: Watch,
): Promise<GuestTree> {
  const script = ["set -e"];
  const wants = mounts.some(({ volume }) => deviceOf(volume) === undefined);
  // Debian's kernel has device-mapper as a module only.
  if (wants) script.push('insmod "/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md/dm-mod.ko"');
  for (const [index, { at, volume }] of byDepth(mounts).entries()) {
    const device = deviceOf(volume) ?? `/dev/mapper/v${index}`;
    if (deviceOf(volume) === undefined) script.push(mapping(volume, index));
    const place = `${root}${at === "/" ? "" : at}`;
    // mount(8) would follow a link in the guest out of the guest.
    const word = shellQuoted([place]);
    script.push(`test -d ${word} && test "$(readlink -f ${word})" = ${word} || ${linked(at)}`);
    script.push(shellQuoted(["mount", "-t", volume.fs, "-o", mountOptions(volume, readOnly), device, place]));
  }
  await machine.run(["sh", "-c", script.join("\n")]).catch((cause) => {
    if (!(cause instanceof TbuildError)) throw cause;
    const what = mounts.map(({ volume }) => `${volume.name} (${volume.fs})`).join(", ");
    throw guestsFault(cause.with({ subject: "uml", what: `cannot mount ${what}` }));
  });
  return mountedTree(machine, root, {
    watch,
    close: () => machine.end(),
    run: (argv) =>
      machine.run(["sh", "-c", insideScript, ...argv], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }),
  });
}

function linked(at: string): string {
  const what = `${at}: the guest mounts a volume there, and it is no folder`;
  return `{ ${shellQuoted(["echo", what])} >&2; exit ${noFolder}; }`;
}

// The kernel's folders are there while a program runs, and not while files are looked at.
const insideScript = [
  `for f in dev proc sys; do mount --bind /$f ${root}/$f || exit 125; done`,
  `chroot ${root} "$0" "$@" < /dev/null; code=$?`,
  `for f in sys proc dev; do umount ${root}/$f; done`,
  "exit $code",
].join("\n");

// Partitions have devices, up to the fifteenth.
function deviceOf({ name, pieces, isOffTable }: Volume): string | undefined {
  if (name === "disk") return "/dev/ubda";
  if (isOffTable) return undefined;
  const number = Number(/^p(\d+)$/.exec(name)?.[1] ?? 16);
  return number <= 15 && !pieces ? `/dev/ubda${number}` : undefined;
}

function mapping(volume: Volume, index: number): string {
  // There is no udev to create the device node.
  const create = ["env", "DM_DISABLE_UDEV=1", "dmsetup", "create", `v${index}`];
  return `printf '%s\\n' ${shellQuoted([linearTable(volume, "/dev/ubda")])} | ${shellQuoted(create)}`;
}

/** A machine that is controlled through a shared folder with request, input and output. The console signals completion. */
async function startMachine(image: string, readOnly: boolean, signal?: AbortSignal): Promise<Machine> {
  const temporary = await temporaryFolder("uml");
  const folder = temporary.path;
  const agent = join(folder, "agent");
  await writeFile(agent, agentScript(folder));
  await chmod(agent, 0o755);
  const said: string[] = [];
  const waiting = new Map<string, (code: number) => void>();
  let ended = false;
  // A name without commas or blanks, which the kernel's command line cannot express.
  const disk = join(folder, "disk");
  await symlink(resolve(image), disk);
  const talk = await talkHere(
    ["sh", "-c", holdingScript, "sh", folder, ...kernelArgv(disk, readOnly, folder, agent)],
    {
      onLine(line) {
        const [, what = "", code = "0"] = /^tbuild-agent (\w+) (\d+)$/.exec(line.trim()) ?? [];
        if (what === "") said.push(line);
        else waiting.get(what)?.(Number(code));
      },
    },
  );
  const gone = talk.ended.then(() => {
    ended = true;
    checkInterrupted(signal);
    throw new TbuildError("environment", "the kernel stopped before the work was done", {
      subject: "uml",
      lines: said.slice(-8).map(printable),
    });
  });
  gone.catch(() => {});
  // Its work is discarded with it: it only reads, or changes a copy.
  const stop = () => talk.kill();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  const answer = (what: string) =>
    Promise.race([
      gone,
      new Promise<number>((resolve) => waiting.set(what, resolve)).finally(() => waiting.delete(what)),
    ]);
  const end = async () => {
    signal?.removeEventListener("abort", stop);
    if (!ended) await sayGoodbye(talk);
    await temporary[Symbol.asyncDispose]();
  };
  try {
    await withDeadline(answer("ready"), 60_000);
  } catch (error) {
    talk.kill();
    await end();
    throw error;
  }
  let count = 0;
  return {
    name: "uml",
    async run(argv, options = {}) {
      const name = `r${++count}`;
      const file = (kind: string) => join(folder, `${name}.${kind}`);
      await writeFile(file("in"), options.input ?? "");
      await writeFile(file("sh"), `${commandLine(argv, options)}\n`);
      const done = answer(name);
      talk.say(name);
      const exitCode = await done;
      const [bytes, stderr] = [await readFile(file("out")), await readFile(file("err"), "utf8")];
      for (const kind of ["in", "sh", "out", "err"]) await rm(file(kind), { force: true });
      return outputOf(argv, { exitCode, stdout: bytes.toString("utf8"), stderr, bytes }, options);
    },
    talk: () => Promise.reject(new Error("not a host for talks")),
    readFile: () => Promise.reject(new Error("not a host for files")),
    writeFile: () => Promise.reject(new Error("not a host for files")),
    join: () => Promise.reject(new Error("not a host for programs that are spoken to")),
    end,
  };
}

// The kernel ends with us, whatever it is at: it only reads, or changes a copy. It has many processes, and all of them are
// in the group that it leads; so it takes the place of the shell, and is killed by who brings it our words.
const holdingScript = `
folder=$1
shift
exec 3<&0
mkfifo -m 600 "$folder/words" || exit 1
{
  cat <&3 > "$folder/words"
  rm -rf "$folder"
  kill -KILL 0
} > /dev/null 2>&1 &
exec "$@" < "$folder/words" 3<&-`;

function kernelArgv(image: string, readOnly: boolean, folder: string, agent: string): string[] {
  const root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", `init=${agent}`];
  const console = ["con=null", "con0=fd:0,fd:1", "quiet"];
  // Without a policy, SELinux would hide the labels on the disk.
  const security = "lsm=yama";
  return [
    ...["linux.uml", "mem=256M", `ubd0${readOnly ? "r" : ""}=${image}`, ...root, ...console, security],
    ...[`uml_dir=${folder}/`, "umid=machine"],
  ];
}

function agentScript(folder: string): string {
  return [
    "#!/bin/sh",
    "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C",
    "mount -t tmpfs tmpfs /mnt && mkdir /mnt/guest /mnt/io",
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    `mount -t hostfs -o ${shellQuoted([folder])} none /mnt/io`,
    "cd /mnt/io",
    "echo; echo tbuild-agent ready 0",
    "while read -r name && [ $name != end ]; do",
    "  sh $name.sh < $name.in > $name.out 2> $name.err",
    "  code=$?; echo; echo tbuild-agent $name $code",
    "done",
    // If the other side disconnects in the middle of a message, what was done is written, and nothing more can follow.
    `umount -R ${root}; sync; echo o > /proc/sysrq-trigger; sleep 60`,
    "",
  ].join("\n");
}

async function sayGoodbye(talk: Talk): Promise<void> {
  talk.say("end");
  try {
    await withDeadline(talk.ended, 60_000);
  } catch (error) {
    talk.kill();
    throw error;
  }
}

async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new TbuildError("environment", `no answer within ${ms / 1000} s`, { subject: "uml" })),
      ms,
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function commandLine(argv: readonly string[], { env = {} }: RunOptions): string {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  return shellQuoted(settings.length > 0 ? ["env", ...settings, ...argv] : argv);
}

function outputOf(argv: readonly string[], output: Output, { allow = [] }: RunOptions): Output {
  if (output.exitCode === 0 || allow.includes(output.exitCode)) return output;
  throw new TbuildError("environment", `${argv[0]}: exit code ${output.exitCode} in User-mode Linux`, {
    lines: output.stderr.trim().split("\n").slice(-8).map(printable),
  });
}
