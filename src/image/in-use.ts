import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** The users of image files on this machine at one moment. Use of a shared disk by another machine is not visible. */
export interface FilesInUse {
  /** The reason why `file` must not be changed now; `undefined` if no process uses it. */
  by(file: string): readonly string[];
}

/** Reads loop devices, qemu's locks and open files once, for any number of queries. */
export function filesInUse(): FilesInUse {
  const uses = new Map<string, string[]>();
  const add = (id: string | undefined, what: string) => {
    if (id !== undefined) uses.set(id, [...(uses.get(id) ?? []), what]);
  };
  for (const { file, what } of loopDevices()) add(idOf(file), what);
  for (const { id, what } of qemuLocks(quietly(() => readFileSync("/proc/locks", "utf8")) ?? ""))
    add(id, what);
  const opened = new Map<string, Opened[]>();
  for (const one of openForWriting()) {
    if (one.inode === undefined) add(idOf(one.path), one.what);
    else opened.set(one.inode, [...(opened.get(one.inode) ?? []), one]);
  }
  return {
    by(file) {
      const id = idOf(file);
      if (id === undefined) return [];
      const same = (opened.get(id.slice(id.indexOf(":") + 1)) ?? []).filter(({ path }) => idOf(path) === id);
      return [...new Set([...(uses.get(id) ?? []), ...same.map(({ what }) => what)])];
    },
  };
}

// A file has many names; device and inode are its own.
function idOf(file: string): string | undefined {
  const found = quietly(() => statSync(file));
  return found && `${found.dev}:${found.ino}`;
}

interface Opened {
  /** It leads to the open file. */
  readonly path: string;
  /** Linux 5.14 and later show it. */
  readonly inode: string | undefined;
  readonly what: string;
}

function* loopDevices(): Generator<{ file: string; what: string }> {
  const mounts = quietly(() => readFileSync("/proc/self/mounts", "utf8")) ?? "";
  for (const name of namesIn("/sys/block").filter((one) => one.startsWith("loop"))) {
    const file = quietly(() => readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").trimEnd());
    if (file === undefined) continue;
    const at = mounts
      .split("\n")
      .flatMap((line) => (line.startsWith(`/dev/${name} `) || line.startsWith(`/dev/${name}p`) ? [line] : []))
      .map((line) => line.split(" ")[1]);
    yield {
      file,
      what: `the loop device /dev/${name}${at.length > 0 ? `, mounted on ${at.join(" and ")}` : ""}`,
    };
  }
}

/**
 * qemu locks byte 101 of an image that it writes to, and byte 201 of an image that nobody else may write to. The
 * locks belong to open files, not to processes, so the kernel's list (`/proc/locks`) shows no pid.
 */
export function* qemuLocks(locks: string): Generator<{ id: string; what: string }> {
  const pattern = /^\d+: OFDLCK +\S+ +\S+ +\S+ +([\da-f]+):([\da-f]+):(\d+) (\d+) (\d+)$/gm;
  for (const [, major = "", minor = "", inode = "", first, last] of locks.matchAll(pattern)) {
    const holds = (byte: number) => Number(first) <= byte && byte <= Number(last);
    const id = `${deviceNumber(Number.parseInt(major, 16), Number.parseInt(minor, 16))}:${inode}`;
    if (holds(101)) yield { id, what: "qemu, which writes to it" };
    else if (holds(201)) yield { id, what: "qemu, which relies on it not changing" };
  }
}

// As makedev(3) does it.
function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12);
}

// Without root, only the user's own processes can be inspected. A file is not touched here if the kernel shows its inode: its
// file system may be one that does not answer, such as sshfs or NFS without its server, and then the call would never end.
function* openForWriting(): Generator<Opened> {
  for (const pid of namesIn("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid))
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      const link = quietly(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (!link?.startsWith("/") || link.startsWith("/dev/") || link.startsWith("/proc/")) continue;
      const flags = quietly(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"));
      const access = Number.parseInt(/^flags:\s*(\d+)/m.exec(flags ?? "")?.[1] ?? "0", 8) & 3;
      if (access === 0) continue;
      yield {
        path: `/proc/${pid}/fd/${fd}`,
        inode: /^ino:\s*(\d+)/m.exec(flags ?? "")?.[1],
        what: `${nameOf(pid)} (process ${pid}), which has it open for writing`,
      };
    }
}

function nameOf(pid: string): string {
  return quietly(() => readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd()) ?? "a program";
}

function namesIn(folder: string): string[] {
  return quietly(() => readdirSync(folder)) ?? [];
}

// A process that has just ended does not use the image. For a process that may not be inspected, this is
// unknown.
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
