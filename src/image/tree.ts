import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Output } from "../host/host.ts";
import { pacer, type Watch } from "../host/pace.ts";
import { shown } from "../io/escape.ts";
import { bytesOf, stringOf } from "./names.ts";

export interface Stat {
  readonly kind: "file" | "dir" | "link" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Where a link points, as written. */
  readonly target?: string;
  /** `security.selinux`, where there is one. */
  readonly label?: string;
  /** What chattr locked it with, where the backend sees that without asking for it: `i`, `a`, or both. */
  readonly locked?: string;
}

/** A path that chattr has made immutable (`i`) or append-only (`a`), which people do with resolv.conf. */
export interface LockedPath {
  readonly path: string;
  /** `i`, `a`, or both. */
  readonly flags: string;
}

/** What a file keeps or is given. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly label?: string;
}

/** What a backend does. Paths are absolute inside the guest, written as `stringOf` has them, and no link is ever followed. */
export interface RawTree extends AsyncDisposable {
  stat(path: string): Promise<Stat | undefined>;
  list(dir: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, data: Uint8Array, attributes: Attributes): Promise<void>;
  makeDir(path: string, attributes: Attributes): Promise<void>;
  makeLink(path: string, target: string, label?: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Runs a program of the guest. Backends that cannot leave it out. */
  run?(argv: readonly string[]): Promise<Output>;
  /** Brings to the guest what has been changed so far. Backends that change at once leave it out. */
  commit?(): Promise<void>;
  /** What was changed so far although it was locked, or stands in a folder that was. */
  readonly overridden?: readonly LockedPath[];
}

/** The files of one guest, wherever they are. Links are followed inside the guest only. */
export class GuestTree implements AsyncDisposable {
  readonly #raw: RawTree;
  readonly #pace: () => Promise<void> | undefined;

  /** The folder of this machine where the tree is mounted, if it is. */
  readonly mountedAt: string | undefined;

  constructor(raw: RawTree, { signal, progress }: Watch = {}, mountedAt?: string) {
    this.#raw = raw;
    this.mountedAt = mountedAt;
    this.#pace = pacer(signal, (paths) => progress?.(`${paths} paths looked at`));
  }

  get runsPrograms(): boolean {
    return this.#raw.run !== undefined;
  }

  /** What was changed so far although chattr had locked it, or the folder that it stands in. */
  get overridden(): readonly LockedPath[] {
    return this.#raw.overridden ?? [];
  }

  /** Of the thing itself: a link at the end is not followed. */
  async stat(path: string): Promise<Stat | undefined> {
    return this.#raw.stat(await this.#resolve(path, "keep"));
  }

  /** `undefined` when there is no such file, or a link that leads nowhere. */
  async read(path: string): Promise<Uint8Array | undefined> {
    const real = await this.#resolve(path, "follow");
    const found = await this.#raw.stat(real);
    if (!found) return undefined;
    if (found.kind !== "file")
      throw new TbuildError("guest", `not a file but a ${found.kind}`, { subject: shown(path) });
    return this.#raw.readFile(real);
  }

  /** As `stringOf` has it: what is not UTF-8 comes back byte for byte when it is written. */
  async text(path: string): Promise<string | undefined> {
    const data = await this.read(path);
    return data && stringOf(data);
  }

  /** Creates or replaces, with its folders. A replaced file keeps its owner, mode and label. */
  async write(path: string, data: string | Uint8Array, attributes: Partial<Attributes> = {}): Promise<void> {
    const real = await this.#resolve(path, "follow");
    const old = await this.#raw.stat(real);
    if (old && old.kind !== "file")
      throw new TbuildError("guest", `not a file but a ${old.kind}`, { subject: shown(path) });
    const kept = old ?? (await this.#newcomer(real, "file"));
    const { mode, uid, gid, label } = { ...kept, ...attributes };
    await this.#raw.writeFile(real, typeof data === "string" ? bytesOf(data) : data, {
      mode: mode & 0o7777,
      uid,
      gid,
      ...(label !== undefined && { label }),
    });
  }

  /** Changes the text of a file that exists; a text that stays as it is, is not written. */
  async edit(path: string, change: (text: string) => string): Promise<void> {
    const data = await this.read(path);
    if (data === undefined)
      throw new TbuildError("guest", "no such file in the guest", { subject: shown(path) });
    const before = stringOf(data);
    const after = change(before);
    if (after !== before) await this.write(path, after);
  }

  /** Makes a symbolic link, in place of a file or link that is there. */
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

  /** Makes a folder and those above it; one that is there keeps its attributes. */
  async makeDir(path: string, attributes: Partial<Attributes> = {}): Promise<void> {
    const real = await this.#resolve(path, "follow");
    const old = await this.#raw.stat(real);
    if (old?.kind === "dir") return;
    if (old) throw new TbuildError("guest", `not a folder but a ${old.kind}`, { subject: shown(path) });
    await this.#raw.makeDir(real, { ...(await this.#newcomer(real, "dir")), ...attributes });
  }

  /** Whole folders; absent is fine; a link goes, not its target. */
  async remove(path: string): Promise<void> {
    const real = await this.#resolve(path, "keep");
    if (real === "/") throw new TbuildError("usage", "/: the root of a guest cannot be removed");
    await this.#removeReal(real);
  }

  /** The names in a folder, sorted; empty when there is no such folder. */
  async list(dir: string): Promise<string[]> {
    const real = await this.#resolve(dir, "follow");
    const found = await this.#raw.stat(real);
    return found?.kind === "dir" ? (await this.#raw.list(real)).sort() : [];
  }

  /** Paths that match, sorted. `*` and `?` stay within one name, and a leading dot has to be written. */
  async glob(pattern: string): Promise<string[]> {
    let found = [""];
    for (const part of namesOf(pattern)) {
      const deeper: string[] = [];
      for (const dir of found)
        if (/[*?]/.test(part)) {
          const matches = nameMatcher(part);
          const names = await this.list(dir === "" ? "/" : dir);
          for (const name of names) if (matches(name)) deeper.push(`${dir}/${name}`);
        } else deeper.push(`${dir}/${part}`);
      found = deeper;
    }
    const there: string[] = [];
    for (const path of found) if (await this.stat(path)) there.push(path);
    return there;
  }

  /** Everything below `dir`, folders before what is in them; links are listed and not followed. */
  async *walk(dir: string): AsyncGenerator<{ readonly path: string; readonly stat: Stat }> {
    for (const name of await this.list(dir)) {
      const path = dir === "/" ? `/${name}` : `${dir}/${name}`;
      const found = await this.stat(path);
      if (!found) continue;
      yield { path, stat: found };
      if (found.kind === "dir") yield* this.walk(path);
    }
  }

  /** Copies a folder of this machine into the guest, owned by root; what may be executed stays so. */
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

  /** Runs a program of the guest; a failing one throws. */
  async run(argv: readonly string[]): Promise<Output> {
    if (!this.#raw.run)
      throw new TbuildError("usage", `${argv[0]}: this access method cannot run programs`, {
        hint: "Use the access `loop`, or change the guest online.",
      });
    return this.#raw.run(argv);
  }

  /** Brings all changes so far to the guest; closing does it too. */
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
      for (const name of await this.#raw.list(real)) await this.#removeReal(`${real}/${name}`);
    await this.#raw.unlink(real);
  }

  // What a new thing is given: the owner root, and the label most of its (first) neighbours have; without neighbours
  // that of the folder, as the kernel does it. Makes the folders that it stands in.
  async #newcomer(real: string, kind: "file" | "dir" | "link"): Promise<Attributes> {
    const parent = parentOf(real);
    const above = await this.#raw.stat(parent);
    if (above && above.kind !== "dir")
      throw new TbuildError("guest", `not a folder but a ${above.kind}`, { subject: shown(parent) });
    if (!above) await this.#raw.makeDir(parent, await this.#newcomer(parent, "dir"));
    const label = (await this.#usualLabel(parent, kind)) ?? (await this.#raw.stat(parent))?.label;
    return { mode: kind === "dir" ? 0o755 : 0o644, uid: 0, gid: 0, ...(label !== undefined && { label }) };
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

  // Links are resolved here and nowhere else: on a mounted image an absolute link that the host followed
  // would land on the host.
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
    return at === "" ? "/" : at;
  }
}

// Enough to know a folder's habit; all of a large one would be asked again for each newcomer.
const neighboursAsked = 256;

/** The folder that a resolved path stands in. */
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
