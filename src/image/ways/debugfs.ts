import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Output, Runner } from "../../host/host.ts";
import { shellQuoted } from "../../host/local.ts";
import type { Watch } from "../../host/long-work.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { printable, shown } from "../../io/escape.ts";
import { fileReader, windowOf } from "../../io/reader.ts";
import { writeFile } from "../../io/write-file.ts";
import type { ImageAccess, Mount } from "../access.ts";
import { type Change, collectingTree, lockedAmong, type Source } from "../change/change.ts";
import { changesIn, partFinder } from "../change/parts.ts";
import { checkFileSystem } from "../ext/e2fsck.ts";
import { type Ext, openExt } from "../ext/ext.ts";
import { Unfit } from "../ext/faults.ts";
import { flag, lockFlags } from "../ext/inode-fields.ts";
import { replayJournal } from "../ext/journal.ts";
import { bytesOf } from "../names.ts";
import { GuestTree } from "../tree.ts";
import { runScript } from "./run-script.ts";

/**
 * ext2, ext3 and ext4 without root. Reading is done in process (ext.ts). All changes of a session go to
 * one debugfs. Rejected: one debugfs per query, which costs a process each.
 */
export function debugfsAccess(host: Runner, note: (text: string) => void = () => {}): ImageAccess {
  return {
    name: "debugfs",
    filesystems: ["ext2", "ext3", "ext4"],
    async check() {
      await host.run(["debugfs", "-V"]);
      await host.run(["e2fsck", "-V"]);
    },
    async open(image, mounts, { readOnly = false, watch = {} } = {}) {
      const parts: Part[] = [];
      try {
        for (const mount of mounts) parts.push(await openPart(host, image, mount, readOnly, note));
      } catch (error) {
        for (const part of parts) await part.close();
        throw error;
      }
      return new GuestTree(collectingTree(debugfsSource(host, parts, readOnly, watch)), watch);
    },
  };
}

/**
 * The debugfs commands for `changes`. `fileOf` returns the file on the host with the content of a change, and `flags` the flags
 * of a new file's inode.
 */
export function debugfsBatch(
  changes: readonly Change[],
  fileOf: (change: Change, attribute?: string) => string,
  kept: ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>,
  flags: number = flag.extents,
): string[] {
  return changes.flatMap((change) => {
    const path = quoted(change.path);
    if (change.kind === "remove") return [`${change.was.kind === "dir" ? "rmdir" : "rm"} ${path}`];
    const attributes = [...(kept.get(change.path)?.keys() ?? [])].map(
      (name) => `ea_set -r -f ${quoted(fileOf(change, name))} ${path} ${name}`,
    );
    if (change.kind === "link") return [`symlink ${path} ${quoted(change.target)}`, ...attributes];
    const { mode, uid, gid } = change.attributes;
    const type = change.kind === "dir" ? 0o040000 : 0o100000;
    const make =
      change.kind === "dir"
        ? [`mkdir ${path}`]
        : [...(change.was ? [`rm ${path}`] : []), `write ${quoted(fileOf(change))} ${path}`];
    const owner = [
      `sif ${path} mode 0${(type | mode).toString(8)}`,
      `sif ${path} uid ${uid}`,
      `sif ${path} gid ${gid}`,
    ];
    const locked = change.kind === "write" ? (change.was?.locked ?? "") : "";
    const all = [...locked].reduce((sum, one) => sum | (lockFlags[one] ?? 0), flags);
    const lock = locked === "" ? [] : [`sif ${path} flags 0x${all.toString(16)}`];
    return [...make, ...owner, ...attributes, ...lock];
  });
}

interface Part {
  readonly at: string;
  /** The image and the file system's offset, in the syntax of debugfs and e2fsck. */
  readonly device: string;
  ext: Ext;
  reopen(): Promise<Ext>;
  close(): PromiseLike<void>;
}

async function openPart(
  host: Runner,
  image: string,
  mount: Mount,
  readOnly: boolean,
  note: (text: string) => void,
): Promise<Part> {
  const { volume } = mount;
  if (!volume.fs.startsWith("ext"))
    throw new TbuildError("environment", `debugfs cannot open ${volume.fs}`, {
      subject: volume.name,
      hint: "Use another access method: --via loop",
    });
  if (image.includes("?"))
    throw new TbuildError("usage", `e2fsprogs does not accept "?" in a file name`, { subject: image });
  const device = `${image}?offset=${volume.offset}`;
  const open = async () => {
    const reader = await fileReader(image);
    try {
      const bytes = Math.min(volume.bytes, reader.bytes - volume.offset);
      const ext = await openExt(windowOf(reader, volume.offset, bytes));
      return { ext, close: () => reader[Symbol.asyncDispose]() };
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  };
  let opened = await open();
  if (opened.ext.isGuarded && !readOnly) {
    await opened.close();
    throw new Unfit("has the feature mmp, which debugfs does not support at an offset");
  }
  if (opened.ext.isDirty || opened.ext.hasErrors)
    if (readOnly) note(`${volume.name}: its journal is not replayed, so the newest changes are not seen`);
    else {
      // With a pending journal, an edit is lost or does damage when the guest mounts the file system.
      note(`${volume.name}: not cleanly unmounted; e2fsck replays its journal`);
      await opened.close();
      await replayJournal(host, image, volume);
      opened = await open();
    }
  return {
    at: mount.at,
    device,
    ext: opened.ext,
    async reopen() {
      await opened.close();
      opened = await open();
      return opened.ext;
    },
    close: () => opened.close(),
  };
}

function debugfsSource(host: Runner, parts: readonly Part[], readOnly: boolean, watch: Watch): Source {
  const partOf = partFinder(parts);
  const stat: Source["stat"] = (path) => ((part, inside) => part.ext.stat(inside))(...partOf(path));
  return {
    stat,
    list: (path) => ((part, inside) => part.ext.list(inside))(...partOf(path)),
    readFile: (path) => ((part, inside) => part.ext.readFile(inside))(...partOf(path)),
    async apply(changes) {
      if (readOnly) throw new TbuildError("usage", "the image was opened read-only");
      const locked = await lockedAmong(changes, stat);
      for (const part of parts) {
        const own = changesIn(part, changes, partOf);
        if (own.length > 0) await applyTo(host, part, own, watch);
      }
      return locked;
    },
    async close() {
      for (const part of parts) await part.close();
    },
  };
}

async function applyTo(
  host: Runner,
  part: Part,
  changes: readonly Change[],
  { signal }: Watch,
): Promise<void> {
  await using folder = await temporaryFolder("debugfs");
  // debugfs makes a new inode, so all attributes of the old one are copied.
  const kept = new Map<string, Map<string, Uint8Array>>();
  for (const change of changes) {
    const found = await attributesFor(part.ext, change);
    if (found.size > 0) kept.set(change.path, found);
  }
  const files = new Map<string, string>();
  const fileOf = (change: Change, attribute = "") => {
    const key = `${change.path}\0${attribute}`;
    const file = files.get(key) ?? join(folder.path, String(files.size));
    files.set(key, file);
    return file;
  };
  const lines = debugfsBatch(changes, fileOf, kept, part.ext.hasExtents ? flag.extents : 0);
  const made = new Map(changes.filter(({ kind }) => kind !== "remove").map((one) => [one.path, one]));
  for (const [key, file] of files) {
    const [path = "", attribute = ""] = key.split("\0");
    const change = made.get(path);
    const data = attribute === "" ? change?.kind === "write" && change.data : kept.get(path)?.get(attribute);
    await writeFile(file, data || new Uint8Array());
  }
  const complaints: string[] = [];
  for (const run of runsOf(lines)) {
    const output = await request(host, part.device, run, signal);
    // debugfs exits 0 even if a request fails, so its stderr is the result.
    complaints.push(
      ...output.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("debugfs 1.")),
    );
  }
  // Whether this machine's disk or the guest's is full does not follow from words that may contain a guest's names. With a
  // full disk below it, the image may not be readable either.
  if (complaints.length > 0) {
    const code = complaints.some((line) => noneFree.test(line)) ? "disk-full" : "incomplete";
    throw notAllMade(part.device, complaints.map(printable), code);
  }
  // debugfs counts blocks wrong if attributes are in separate blocks, as with OL5's 128-byte inodes, and ignores
  // quotas. e2fsck corrects both.
  if (part.ext.inodeBytes === 128 || part.ext.hasQuota) await checkFileSystem(host, part.device);
  part.ext = await part.reopen();
  const wrong = await differences(part.ext, changes);
  if (wrong.length > 0) throw notAllMade(part.device, wrong, "incomplete");
}

function notAllMade(
  subject: string,
  lines: readonly string[],
  code: "disk-full" | "incomplete",
): TbuildError {
  return new TbuildError("integrity", "not all changes were made", {
    subject,
    code,
    lines: lines.slice(0, 20),
    hint: "Use a fresh copy of the image; this one contains only some of the changes.",
  });
}

// Of libext2fs, with nothing else on the line.
const noneFree = /^[a-z_]+: Could not allocate (?:block|inode) in ext2 filesystem *$/;

async function attributesFor(ext: Ext, change: Change): Promise<Map<string, Uint8Array>> {
  if (change.kind === "remove") return new Map();
  const found = new Map(change.kind === "write" && change.was ? await ext.attributes(change.path) : []);
  const label = change.kind === "link" ? change.label : change.attributes.label;
  // The kernel stores a label with a terminating zero byte.
  if (label !== undefined) found.set("security.selinux", bytesOf(`${label}\0`));
  return found;
}

async function differences(ext: Ext, changes: readonly Change[]): Promise<string[]> {
  const wrong: string[] = [];
  const made = new Set(changes.filter((change) => change.kind !== "remove").map((change) => change.path));
  for (const change of changes) {
    const found = await ext.stat(change.path);
    const path = shown(change.path);
    if (change.kind === "remove") {
      if (found && !made.has(change.path)) wrong.push(`${path}: still exists`);
      continue;
    }
    if (found?.kind !== (change.kind === "write" ? "file" : change.kind)) {
      wrong.push(`${path}: does not exist`);
      continue;
    }
    if (change.kind === "link") {
      if (found.target !== change.target) wrong.push(`${path}: points to ${shown(found.target ?? "")}`);
      continue;
    }
    const { mode, uid, gid, label } = change.attributes;
    if (found.mode !== mode || found.uid !== uid || found.gid !== gid || found.label !== label)
      wrong.push(`${path}: has another owner, mode or label`);
    if (change.kind === "write" && found.locked !== change.was?.locked)
      wrong.push(`${path}: lost its flags i and a`);
    if (change.kind === "write" && Buffer.compare(await ext.readFile(change.path), change.data) !== 0)
      wrong.push(`${path}: has other content`);
  }
  return wrong;
}

// A batch has a request on each line, and debugfs reads at most 8 KiB of one. What does not fit, such as a name with a
// newline, becomes a separate request.
function runsOf(lines: readonly string[]): string[][] {
  const runs: string[][] = [];
  let open: string[] | undefined;
  for (const line of lines) {
    if (!fitsBatch(line)) {
      runs.push([line]);
      open = undefined;
    } else if (open) open.push(line);
    else {
      open = [line];
      runs.push(open);
    }
  }
  return runs;
}

function fitsBatch(line: string): boolean {
  return !line.includes("\n") && bytesOf(line).length < 8000;
}

function request(
  host: Runner,
  device: string,
  lines: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Output> {
  const options = { ...(signal && { signal }) };
  const [first = ""] = lines;
  // As words of a script, because Node passes program arguments as UTF-8.
  if (!fitsBatch(first))
    return runScript(host, `exec ${shellQuoted(["debugfs", "-w", "-R", first, device])}`, options);
  const input = bytesOf(`${lines.join("\n")}\n`);
  return host.run(["debugfs", "-w", "-f", "-", device], { input, ...options });
}

// Inside double quotes, only the quote itself is special. It is doubled.
function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}
