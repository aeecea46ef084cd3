import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Output } from "../host/host.ts";
import { pacer, type Watch } from "../host/long-work.ts";
import { shown } from "../io/escape.ts";
import { bytesOf, stringOf } from "./names.ts";
import type { Programs } from "./programs.ts";

export interface Stat {
  readonly kind: "file" | "dir" | "link" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** The target of a link, as stored. */
  readonly target?: string;
  /** The value of `security.selinux`, if set. */
  readonly label?: string;
  /** The flags that chattr set, if the backend sees them at no extra cost: `i`, `a`, or both. */
  readonly locked?: string;
}

/** A path that chattr made immutable (`i`) or append-only (`a`), as people do with resolv.conf. */
export interface LockedPath {
  readonly path: string;
  /** `i`, `a`, or both. */
  readonly flags: string;
}

/** The attributes of a file. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly label?: string;
}

/** The operations of a backend. Paths are absolute inside the guest, as `stringOf` returns them. Links are never followed. */
export interface RawTree extends AsyncDisposable {
  stat(path: string): Promise<Stat | undefined>;
  list(dir: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  /** The contents of a file of any size, in parts. Absent if the backend reads whole files only. */
  parts?(path: string): AsyncIterable<Uint8Array>;
  writeFile(path: string, data: Uint8Array, attributes: Attributes): Promise<void>;
  makeDir(path: string, attributes: Attributes): Promise<void>;
  makeLink(path: string, target: string, label?: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Runs a program of the guest. Absent if the backend cannot. */
  run?(argv: readonly string[]): Promise<Output>;
  /** Runs programs of an image. Absent unless the image was opened for that. */
  readonly programs?: Programs;
  /** Writes the changes so far to the guest. Absent if the backend writes immediately. */
  commit?(): Promise<void>;
  /** Paths that were changed although they or their folders were locked. */
  readonly overridden?: readonly LockedPath[];
}

/** The files of one guest, through any backend. Links are followed only inside the guest. */
export class GuestTree implements AsyncDisposable {
  readonly #raw: RawTree;
  readonly #pace: () => Promise<void> | undefined;

  /** The folder of this machine where the tree is mounted, if it is. */
  readonly mountedAt: string | undefined;

  constructor(raw: RawTree, { signal, progress }: Watch = {}, mountedAt?: string) {
    this.#raw = raw;
    this.mountedAt = mountedAt;
    this.#pace = pacer(signal, (paths) => progress?.(`${paths} paths inspected`));
  }

  /** Only those of a running guest. An image may be hostile, and its programs are not run. */
  get runsPrograms(): boolean {
    return this.#raw.run !== undefined;
  }

  /** Runs programs of an image, apart from this machine. Absent unless the image was opened for that. */
  get programs(): Programs | undefined {
    return this.#raw.programs;
  }

  /** Paths that were changed although chattr had locked them or their folders. */
  get overridden(): readonly LockedPath[] {
    return this.#raw.overridden ?? [];
  }

  /** A link at the end is not followed. */
  async stat(path: string): Promise<Stat | undefined> {
    return this.#raw.stat(await this.#resolve(path, "keep"));
  }

  /** `undefined` if there is no such file, or the link is dangling. */
  async read(path: string): Promise<Uint8Array | undefined> {
    const real = await this.#resolve(path, "follow");
    const found = await this.#raw.stat(real);
    if (!found) return undefined;
    if (found.kind !== "file")
      throw new TbuildError("guest", notA("file", found.kind), { subject: shown(path) });
    return this.#raw.readFile(real);
  }

  /** The contents of a file in parts, also of one too large for memory. Throws if there is no such file. */
  async *parts(path: string): AsyncGenerator<Uint8Array> {
    const real = await this.#resolve(path, "follow");
    const found = await this.#raw.stat(real);
    if (found?.kind !== "file")
      throw new TbuildError("guest", found ? notA("file", found.kind) : "no such file in the guest", {
        subject: shown(path),
      });
    if (this.#raw.parts) yield* this.#raw.parts(real);
    else yield await this.#raw.readFile(real);
  }

  /** As `stringOf` returns it: bytes that are not UTF-8 are preserved when it is written back. */
  async text(path: string): Promise<string | undefined> {
    const data = await this.read(path);
    return data && stringOf(data);
  }

  /** Creates or replaces a file, with its folders. A replaced file keeps its owner, mode and label. */
  async write(path: string, data: string | Uint8Array, attributes: Partial<Attributes> = {}): Promise<void> {
    const real = await this.#resolve(path, "follow");
    const old = await this.#raw.stat(real);
    if (old && old.kind !== "file")
      throw new TbuildError("guest", notA("file", old.kind), { subject: shown(path) });
    const kept = old ?? (await this.#newcomer(real, "file"));
    const { mode, uid, gid, label } = { ...kept, ...attributes };
    await this.#raw.writeFile(real, typeof data === "string" ? bytesOf(data) : data, {
      mode: mode & 0o7777,
      uid,
      gid,
      ...(label !== undefined && { label }),
    });
  }

  /** Changes the text of an existing file. An unchanged text is not written. */
  async edit(path: string, change: (text: string) => string): Promise<void> {
    const data = await this.read(path);
    if (data === undefined)
      throw new TbuildError("guest", "no such file in the guest", { subject: shown(path) });
    const before = stringOf(data);
    const after = change(before);
    if (after !== before) await this.write(path, after);
  }

  /** Makes a symbolic link. Replaces an existing file or link. */
  async link(path: string, target: string): Promise<void> {
    const real = await this.#resolve(path, "keep");
    const old = await this.#raw.stat(real);
    if (old?.kind === "link" && old.target === target) return;
    if (old?.kind === "dir")
      throw new TbuildError("guest", "is a folder, not a link", { subject: shown(path) });
    const { label } = await this.#newcomer(real, "link");
    if (old) await this.#raw.unlink(real);
    await this.#raw.makeLink(real, target, old?.label ?? label);
  }

  /** Makes a folder and its parents. An existing folder keeps its attributes. */
  async makeDir(path: string, attributes: Partial<Attributes> = {}): Promise<void> {
    const real = await this.#resolve(path, "follow");
    const old = await this.#raw.stat(real);
    if (old?.kind === "dir") return;
    if (old) throw new TbuildError("guest", notA("folder", old.kind), { subject: shown(path) });
    await this.#raw.makeDir(real, { ...(await this.#newcomer(real, "dir")), ...attributes });
  }

  /** Removes a path, including whole folders. Absent is fine. A link is removed, not its target. */
  async remove(path: string): Promise<void> {
    const real = await this.#resolve(path, "keep");
    if (real === "/") throw new TbuildError("usage", "/: the root of a guest cannot be removed");
    await this.#removeReal(real);
  }

  /** The sorted names in a folder; empty if it does not exist. */
  async list(dir: string): Promise<string[]> {
    const real = await this.#resolve(dir, "follow");
    const found = await this.#raw.stat(real);
    return found?.kind === "dir" ? (await this.#raw.list(real)).sort() : [];
  }

  /** The sorted matching paths. `*` and `?` match within one name, and a leading dot must be explicit. */
  async glob(pattern: string): Promise<string[]> {
    let found = [""];
    for (const part of namesOf(pattern)) {
      const deeper: string[] = [];
      for (const dir of found)
        if (/[*?]/.test(part)) {
          const matches = nameMatcher(part);
          const names = await this.list(dir === "" ? "/" : dir);
          for (const name of names) if (matches(name)) deeper.push([dir, name].join("/"));
        } else deeper.push(`${dir}/${part}`);
      found = deeper;
    }
    const there: string[] = [];
    for (const path of found) if (await this.stat(path)) there.push(path);
    return there;
  }

  /** Everything below `dir`, folders before their contents. Links are listed, not followed. */
  async *walk(dir: string): AsyncGenerator<{ readonly path: string; readonly stat: Stat }> {
    for (const name of await this.list(dir)) {
      const path = dir === "/" ? `/${name}` : `${dir}/${name}`;
      const found = await this.stat(path);
      if (!found) continue;
      yield { path, stat: found };
      if (found.kind === "dir") yield* this.walk(path);
    }
  }

  /** Copies a local folder into the guest, owned by root. Executable files stay executable. */
  async copyIn(local: string, to: string): Promise<void> {
    await this.makeDir(to);
    for (const entry of await readdir(local, { withFileTypes: true })) {
      const [from, into] = [join(local, entry.name), `${to}/${entry.name}`];
      if (entry.isDirectory()) await this.copyIn(from, into);
      else if (entry.isFile()) {
        const mode = (await stat(from)).mode & 0o111 ? 0o755 : 0o644;
        await this.write(into, await readFile(from), { mode });
      } else throw new TbuildError("usage", "neither a file nor a folder", { subject: from });
    }
  }

  /** Runs a program of a running guest. Throws if it fails. */
  async run(argv: readonly string[]): Promise<Output> {
    if (!this.#raw.run)
      throw new TbuildError("usage", `${argv[0]}: programs of an image are not run`, {
        hint: "Start the guest, and change it while it runs.",
      });
    return this.#raw.run(argv);
  }

  /** Writes all changes so far to the guest. Closing does this too. */
  async commit(): Promise<void> {
    await this.#raw.commit?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#raw[Symbol.asyncDispose]();
  }

  async #removeReal(real: string): Promise<void> {
    const turn = this.#pace();
    if (turn) await turn;
    const found = await this.#raw.stat(real);
    if (!found) return;
    if (found.kind === "dir")
      // Not a template: V8 would keep both the parts and the whole of each string.
      for (const name of await this.#raw.list(real)) await this.#removeReal([real, name].join("/"));
    await this.#raw.unlink(real);
  }

  // The attributes of a new file: the owner root, and the label that most of its (first) siblings have; without siblings
  // the folder's label, as the kernel does. Makes the parent folders.
  async #newcomer(real: string, kind: "file" | "dir" | "link"): Promise<Attributes> {
    const parent = parentOf(real);
    const above = await this.#raw.stat(parent);
    if (above && above.kind !== "dir")
      throw new TbuildError("guest", notA("folder", above.kind), { subject: shown(parent) });
    if (!above) await this.#raw.makeDir(parent, await this.#newcomer(parent, "dir"));
    const label = (await this.#usualLabel(parent, kind)) ?? (await this.#raw.stat(parent))?.label;
    return { mode: kind === "dir" ? 0o755 : 0o644, uid: 0, gid: 0, ...(label !== undefined && { label }) };
  }

  /** The SELinux label that a new file would get there. `undefined` in a guest without labels. */
  async labelFor(path: string, kind: "file" | "dir" | "link"): Promise<string | undefined> {
    return (await this.#newcomer(await this.#resolve(path, "keep"), kind)).label;
  }

  async #usualLabel(dir: string, kind: "file" | "dir" | "link"): Promise<string | undefined> {
    if ((await this.#raw.stat(dir))?.label === undefined) return undefined;
    const counts = new Map<string, number>();
    for (const name of (await this.#raw.list(dir)).slice(0, neighboursAsked)) {
      const neighbour = await this.#raw.stat(dir === "/" ? `/${name}` : `${dir}/${name}`);
      if (neighbour?.kind === kind && neighbour.label !== undefined)
        counts.set(neighbour.label, (counts.get(neighbour.label) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  }

  // Links are resolved only here: on a mounted image, an absolute link followed by the host would lead to the host's
  // own files.
  async #resolve(path: string, last: "follow" | "keep"): Promise<string> {
    const turn = this.#pace();
    if (turn) await turn;
    let left = namesOf(path);
    let at = "";
    for (let links = 0; left.length > 0; ) {
      const [name = "", ...rest] = left;
      left = rest;
      if (name === "..") {
        at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
        continue;
      }
      const next = `${at}/${name}`;
      const found = await this.#raw.stat(next);
      if (found?.kind !== "link" || (left.length === 0 && last === "keep")) {
        at = next;
        continue;
      }
      links += 1;
      if (links > 40)
        throw new TbuildError("guest", "too many links, possibly a loop", { subject: shown(path) });
      const target = found.target ?? "";
      if (target.startsWith("/")) at = "";
      left = [...namesOf(target, "relative"), ...left];
    }
    // Returns the given string if the result is equal, so that a million paths do not exist twice in memory.
    return at === path ? path : at || "/";
  }
}

// Enough to know the usual label. In a large folder, looking at all files for each new one would take long.
const neighboursAsked = 256;

/** The parent folder of a resolved path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function namesOf(path: string, kind: "absolute" | "relative" = "absolute"): string[] {
  if (kind === "absolute" && !path.startsWith("/")) throw new Error(`${path}: not an absolute path`);
  if (path.includes("\0"))
    throw new TbuildError("usage", "a path cannot contain a zero byte", { subject: shown(path) });
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function nameMatcher(pattern: string): (name: string) => boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const expression = new RegExp(`^${source}$`, "s");
  return (name) => expression.test(name) && (pattern.startsWith(".") || !name.startsWith("."));
}

const kindWords: Readonly<Record<Stat["kind"], string>> = {
  file: "a file",
  dir: "a folder",
  link: "a symbolic link",
  other: "a device, pipe or socket",
};

function notA(wanted: "file" | "folder", kind: Stat["kind"]): string {
  return `is ${kindWords[kind]}, not a ${wanted}`;
}
