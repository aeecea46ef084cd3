import { createHash } from "node:crypto";
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { lstat, mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namesIn } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import type { Runner } from "./host.ts";
import { bootId, hostId, mayRun, processWorld, startOf } from "./identity.ts";

/** A folder that only its owner can enter. Closing it removes it with its contents. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes a temporary folder. Its name identifies the process, so that a later tbuild can remove it if this process was
 * killed: `tbuild-KIND-PID-START-BOOT-WORLD-XXXXXX`.
 */
export async function temporaryFolder(kind: string): Promise<TemporaryFolder> {
  sweptUnmounted ??= sweep();
  await sweptUnmounted;
  const path = await mkdtemp(join(tmpdir(), `tbuild-${kind}-${await ownerMark()}-`));
  return ownFolder(path);
}

/** Makes a folder in `parent` for this process, and removes those of processes that have ended. */
export async function workFolder(parent: string): Promise<TemporaryFolder> {
  await makeFolders(parent);
  // The names of older versions did not say whose they are.
  for (const name of await namesIn(parent))
    if ((await isAbandoned(name)) || name.startsWith("import-"))
      await rm(join(parent, name), { recursive: true, force: true });
  const path = await mkdtemp(join(parent, `tbuild-work-${await ownerMark()}-`)).catch((error) => {
    throw fileFault(error, parent);
  });
  return ownFolder(path);
}

/** The folders of this process. Its exit removes them, also in commands that a signal ends at once. */
const ownFolders = new Set<string>();

function ownFolder(path: string): TemporaryFolder {
  if (ownFolders.size === 0) process.on("exit", removeOwn);
  ownFolders.add(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
      ownFolders.delete(path);
      if (ownFolders.size === 0) process.off("exit", removeOwn);
    },
  };
}

function removeOwn(): void {
  for (const path of ownFolders)
    try {
      removeOnDevice(lstatSync(path).dev, path);
    } catch {
      // The next command tries again.
    }
}

let mark: Promise<string> | undefined;

/** Identifies this process in the names of its temporary files: `PID-START-BOOT-WORLD`. */
export function ownerMark(): Promise<string> {
  mark ??= (async () =>
    [process.pid, await startOf(process.pid), await bootMark(), await worldMark()].join("-"))();
  return mark;
}

/**
 * A shell function: `own_folder KIND` makes such a folder and prints its path. It belongs to the shell, which cleans it up
 * when tbuild has ended.
 */
export const folderScript = `
own_folder() {
  own_world="$(uname -n):$(cat /etc/machine-id 2> /dev/null):$(readlink /proc/self/ns/pid | tr -dc 0-9)"
  own_world=$(printf %s "$own_world" | sha256sum | cut -c1-8)
  own_boot=$(cut -c1-8 /proc/sys/kernel/random/boot_id)
  own_start=$(sed 's/.*) //' "/proc/$$/stat" | cut -d' ' -f20)
  mktemp -d "\${TMPDIR:-/tmp}/tbuild-$1-$$-$own_start-$own_boot-$own_world-XXXXXX"
}`;

let swept: Promise<void> | undefined;
let sweptUnmounted: Promise<void> | undefined;

/**
 * Removes tbuild's temporary folders whose process has ended, and unmounts what is mounted there; runs once per process.
 * Folders of running processes, and of processes that cannot be seen from here, stay. If one cannot be removed now, the next
 * command tries again.
 */
export function removeAbandoned(host: Runner): Promise<void> {
  swept ??= sweep(host);
  return swept;
}

// Without `host`, folders with mounts stay.
async function sweep(host?: Runner): Promise<void> {
  for (const parent of new Set([tmpdir(), "/tmp"]))
    for (const name of await readdir(parent).catch(() => [])) {
      if (!(await isAbandoned(name))) continue;
      const path = join(parent, name);
      const found = await lstat(path).catch(() => undefined);
      // Anybody may make a folder with any name in /tmp.
      if (!found?.isDirectory() || found.uid !== process.getuid?.()) continue;
      const places = await mountsBelow(path);
      if (places.length > 0 && !host) continue;
      if (host) for (const place of places) await unmount(host, place);
      try {
        removeOnDevice(found.dev, path);
      } catch {
        // The next command tries again.
      }
    }
}

const namePattern = /^\.?tbuild-[a-z]+-(\d+)-(\w+)-(\w+)-([\da-f]{8})-\w{6}$/;

/** True if the process in this name has ended. A process of another container or machine cannot be seen from here. */
export async function isAbandoned(name: string): Promise<boolean> {
  const [, pid, start, boot, world] = namePattern.exec(name) ?? [];
  if (pid === undefined || world !== (await worldMark())) return false;
  return boot !== (await bootMark()) || !(await mayRun(Number(pid), start ?? ""));
}

async function bootMark(): Promise<string> {
  return (await bootId()).slice(0, 8).replace(/\W/g, "");
}

async function worldMark(): Promise<string> {
  const world = `${await hostId()}:${await processWorld()}`;
  return createHash("sha256").update(world).digest("hex").slice(0, 8);
}

// The innermost mount is first.
async function mountsBelow(path: string): Promise<string[]> {
  const real = await realpath(path);
  const mounts = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  return mounts
    .split("\n")
    .map((line) => unescaped(line.split(" ")[4] ?? ""))
    .filter((place) => place.startsWith(`${real}/`))
    .reverse();
}

// The process that would have unmounted it is dead, too.
async function unmount(host: Runner, place: string): Promise<void> {
  for (const command of [["umount"], ["fusermount3", "-u"], ["fusermount", "-u"]]) {
    const done = await host.run([...command, place]).catch(() => undefined);
    if (done) break;
  }
}

// Blanks and the like are octal there (proc_pid_mountinfo(5)).
function unescaped(place: string): string {
  return place.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
}

// Never into what is mounted there, even if it was mounted a moment ago: that would be the files of a guest.
function removeOnDevice(device: number, path: string): void {
  const found = lstatSync(path);
  if (!found.isDirectory()) unlinkSync(path);
  else if (found.dev === device) {
    for (const name of readdirSync(path)) removeOnDevice(device, join(path, name));
    rmdirSync(path);
  }
}
