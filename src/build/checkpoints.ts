import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import { kernelBoot } from "../host/identity.ts";
import { type Lock, lock } from "../host/lock.ts";
import { isThere, namesIn, syncBelow } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { fromPortable, type Places, toPortable } from "../io/portable.ts";
import { writeFile } from "../io/write-file.ts";
import type { Inputs } from "./inputs.ts";

/** The disk as a step left it, with the step's results, under the digest of all its inputs. */
const Checkpoint = z.object({
  id: z.string(),
  key: z.string(),
  recipe: z.string(),
  step: z.string(),
  inputs: z.record(z.string(), z.string()),
  /**
   * The id of the previous checkpoint, or of several (`parentOf`). This checkpoint's disk may be an overlay
   * of that one's disk.
   */
  parent: z.string().optional(),
  made: z.string(),
  /** The version of tbuild that made it, and the digest of its code for this step. */
  maker: z.string(),
  /** Where it was made; absent in checkpoints of older versions. */
  hosts: z.record(z.string(), z.string()).default({}),
  ms: z.number(),
  gives: z.looseObject({}),
  /** The boot id of the machine that made it; absent in checkpoints of older versions. */
  boot: z.string().optional(),
});
export type Checkpoint = Readonly<
  Omit<z.infer<typeof Checkpoint>, "inputs" | "parent" | "gives" | "boot">
> & {
  readonly inputs: Inputs;
  readonly parent: string | undefined;
  readonly gives: object;
};

/**
 * The key of a step's result. It contains the *id* of the previous checkpoint. The id is random and new each
 * time that checkpoint is made. So a disk based on one result is never mistaken for a disk based on another.
 */
export function checkpointKey(step: string, inputs: Inputs, parent: string | undefined): string {
  const sorted = Object.entries(inputs).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([step, sorted, parent ?? null]))
    .digest("hex")
    .slice(0, 32);
}

/** The parent of the next checkpoints: the ids of the results of a stage, joined. */
export function parentOf(stage: readonly Pick<Checkpoint, "id">[]): string | undefined {
  return stage.length === 0 ? undefined : stage.map(({ id }) => id).join(between);
}

const between = "+";

/** A folder that no build can use any more, and the reason. */
export interface Useless {
  readonly name: string;
  readonly why: string;
  /** The link to it, which is removed as well. */
  readonly key?: string;
}

/** A file in a checkpoint whose files survive a power cut. */
const durableMark = "durable";

/** The results of all builds of a home, one folder for each. */
export class Checkpoints {
  readonly folder: string;
  private readonly settling = new Set<Promise<void>>();

  constructor(folder: string) {
    this.folder = folder;
  }

  async find(key: string): Promise<Checkpoint | undefined> {
    const link = this.linkOf(key);
    const target = await readlink(link).catch(ifRefused(link));
    const found = target === undefined ? undefined : await this.read(basename(target));
    const files = found ? pathsIn(found.gives, join(this.folder, found.id)) : [];
    // Somebody may have removed its disk: the step runs again.
    return (await Promise.all(files.map(isThere))).every(Boolean) ? found : undefined;
  }

  /** The newest checkpoint of a recipe's step. A plan compares its inputs with it. */
  async last(recipe: string, step: string): Promise<Checkpoint | undefined> {
    const all = (await this.all()).filter((c) => c.recipe === recipe && c.step === step);
    return all.sort((a, b) => b.made.localeCompare(a.made))[0];
  }

  async all(): Promise<Checkpoint[]> {
    const names = (await namesIn(this.folder)).filter(isId);
    const read = await Promise.all(names.map((name) => this.read(name)));
    return read.filter((c) => c !== undefined);
  }

  /** Waits until no other build makes this result. */
  lock(key: string, options: Parameters<typeof lock>[1]): Promise<Lock> {
    return lock(join(this.folder, "locks", key), options);
  }

  /** A folder for an unfinished checkpoint. If a kill leaves it behind, `sweep` removes it. */
  async begin(): Promise<{ id: string; out: string }> {
    const id = randomBytes(8).toString("hex");
    const out = join(this.folder, `${id}.part`);
    await makeFolders(this.folder, 0o700);
    await mkdir(out, { mode: 0o700 });
    return { id, out };
  }

  /**
   * Moves a finished checkpoint from `out` to its place atomically. Paths in `gives` move with it, and are stored relative,
   * so that the home folder may be moved or copied. Its files reach the disk in the background, while the next step runs: if this
   * machine loses power before, no later build uses the checkpoint.
   */
  async keep(out: string, checkpoint: Checkpoint): Promise<Checkpoint> {
    const final = join(this.folder, checkpoint.id);
    const text = toPortable({ ...checkpoint, boot: await kernelBoot() }, this.placesOf(out));
    await writeFile(join(out, "checkpoint.json"), `${text}\n`);
    await close(out);
    await rename(out, final);
    await this.link(checkpoint).catch(async (error) => {
      // Nothing would lead to it.
      await rm(final, { recursive: true, force: true }).catch(() => {});
      throw error;
    });
    const settled = settle(final).finally(() => this.settling.delete(settled));
    this.settling.add(settled);
    return parse(text, this.placesOf(final));
  }

  /** Waits until the files of all checkpoints that this process kept are on the disk. */
  async settled(): Promise<void> {
    await Promise.all(this.settling);
  }

  private async link({ id, key }: Checkpoint): Promise<void> {
    const link = this.linkOf(key);
    const fresh = `${link}.${id}`;
    await makeFolders(dirname(link));
    await symlink(join("..", id), fresh);
    await rename(fresh, link).catch(async (error) => {
      await rm(fresh, { force: true }).catch(() => {});
      throw error;
    });
  }

  /**
   * Makes checkpoints accessible to their owner only, because their disks contain secrets. This includes
   * checkpoints of older versions.
   */
  async close(): Promise<void> {
    await makeFolders(this.folder);
    await chmod(this.folder, 0o700);
    for (const name of await readdir(this.folder))
      if (/^[0-9a-f]{16}(\.part)?$/.test(name)) await close(join(this.folder, name)).catch(goneMeanwhile);
  }

  /**
   * Folders that no build can use any more: partial and damaged ones, and checkpoints whose previous step has
   * been made again. While a build runs, its folder is partial, too, so `parts` must be false.
   */
  async useless(options: { readonly parts: boolean }): Promise<Useless[]> {
    const names = await namesIn(this.folder);
    const found: Useless[] = options.parts
      ? names
          .filter((n) => n.endsWith(".part"))
          .map((name) => ({ name, why: "its build was killed or failed" }))
      : [];
    for (const name of names.filter(isId)) {
      const text = await this.textOf(name);
      if (text === undefined) found.push({ name, why: "its record is missing or damaged" });
      else if (await this.isLost(name, text))
        found.push({ name, why: "this machine stopped before its files were on the disk" });
    }
    const all = new Map((await this.all()).map((c) => [c.id, c]));
    const linked = new Map<string, string | undefined>();
    for (const { key } of all.values()) linked.set(key, (await this.find(key))?.id);
    const reachable = (c: Checkpoint | undefined): boolean =>
      c !== undefined &&
      linked.get(c.key) === c.id &&
      (c.parent?.split(between) ?? []).every((parent) => reachable(all.get(parent)));
    for (const checkpoint of all.values()) {
      if (reachable(checkpoint)) continue;
      const { id, key, recipe, step } = checkpoint;
      const isLinked = linked.get(key) === id;
      const isRebuilt = linked.get(key) !== undefined;
      const why = isLinked
        ? "its base was removed or rebuilt"
        : isRebuilt
          ? "it was rebuilt"
          : "its build was killed or failed";
      found.push({ name: id, why: `${recipe} ${step}: ${why}`, ...(isLinked && { key }) });
    }
    return found;
  }

  /** Removes folders that no build can use any more. */
  async sweep(options: { readonly parts: boolean }): Promise<Useless[]> {
    const found = await this.useless(options);
    for (const { name, key } of found) {
      if (key !== undefined) await rm(this.linkOf(key), { force: true });
      await rm(join(this.folder, name), { recursive: true, force: true });
    }
    return found;
  }

  private async read(id: string): Promise<Checkpoint | undefined> {
    const text = await this.textOf(id);
    if (text === undefined) return undefined;
    try {
      const checkpoint = parse(text, this.placesOf(join(this.folder, id)));
      if (checkpoint.id !== id) return undefined;
      return (await this.isLost(id, text)) ? undefined : checkpoint;
    } catch (error) {
      if (error instanceof TbuildError) throw error;
      return undefined; // from another version: the step runs again
    }
  }

  /** True if this machine stopped before the files of the checkpoint were on the disk: they may be incomplete. */
  private async isLost(id: string, text: string): Promise<boolean> {
    const boot = Boot.safeParse(JSON.parse(text)).data?.boot;
    if (boot === undefined || boot === (await kernelBoot())) return false;
    return !(await isThere(join(this.folder, id, durableMark)));
  }

  /** The JSON of a record; `undefined` if there is none, or it is damaged: the step runs again. */
  private async textOf(id: string): Promise<string | undefined> {
    const file = join(this.folder, id, "checkpoint.json");
    const text = await readFile(file, "utf8").catch(ifRefused(file));
    try {
      if (text !== undefined) JSON.parse(text);
      return text;
    } catch {
      return undefined;
    }
  }

  private linkOf(key: string): string {
    return join(this.folder, "by-key", key);
  }

  private placesOf(checkpoint: string): Places {
    return { checkpoint, home: dirname(this.folder) };
  }
}

const Boot = z.looseObject({ boot: z.string().optional() });

/** Brings the files of a checkpoint to the disk, and marks it. If that fails, the checkpoint stays without the mark. */
async function settle(folder: string): Promise<void> {
  try {
    await syncBelow(folder);
    await writeFile(join(folder, durableMark), "", { mode: 0o600 });
  } catch {
    // It serves until this machine stops. Whether it was removed meanwhile, or the disk fails, the next use shows.
  }
}

const isId = (name: string): boolean => /^[0-9a-f]{16}$/.test(name);

/** Something else in its place is not a checkpoint. One that cannot be read now may be whole: that is a fault. */
function ifRefused(file: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (["ENOENT", "ENOTDIR", "EISDIR", "EINVAL", "ELOOP"].includes(error.code ?? "")) return undefined;
    throw fileFault(error, file);
  };
}

async function close(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await close(path);
    else if (entry.isFile()) await chmod(path, 0o600).catch(goneMeanwhile);
  }
}

// Another build is working in it, or has removed it.
function goneMeanwhile(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function pathsIn(value: unknown, folder: string): string[] {
  if (typeof value === "string") return value.startsWith(`${folder}/`) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((one) => pathsIn(one, folder));
}

function parse(text: string, places: Places): Checkpoint {
  const { parent, ...checkpoint } = Checkpoint.parse(fromPortable(text, places));
  return { ...checkpoint, parent };
}
