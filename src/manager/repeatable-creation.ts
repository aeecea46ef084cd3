import { Interrupted, TbuildError } from "../errors.ts";
import type { ManagerApi, Named, ObjectKind } from "./api.ts";

/*
 * Finds objects by name, and makes creations repeatable. From 3.3.1 on, operations are not all-or-nothing: a
 * failed one may leave its parent object, which must be found and removed before the next try (Release Notes
 * 3.3, 6.11 "Operation Transactions").
 */

/** The only object of this name. Throws if there is none, with suggestions, or several. */
export async function findOne(api: ManagerApi, kind: ObjectKind, name: string): Promise<Named> {
  const all = await api.list(kind);
  const found = all.filter((one) => one.name === name || one.id === name);
  const [one] = found;
  if (one && found.length === 1) return one;
  const [word, words] = kindWords[kind];
  if (found.length > 1)
    throw new TbuildError("environment", `has ${found.length} ${words} named ${name}`, {
      subject: api.name,
      lines: found.map(({ id }) => id),
      hint: "Names are not unique there. Use the id, or rename one of them.",
    });
  throw new TbuildError("environment", `has no ${word} named ${name}`, {
    subject: api.name,
    lines: all.slice(0, 20).map((each) => each.name),
    hint: all.length === 0 ? "It has none." : "The lines above list those that exist.",
  });
}

/** The named one, or the only one. */
export async function chosen(
  api: ManagerApi,
  kind: "ServerPool" | "Repository",
  name: string | undefined,
): Promise<Named> {
  if (name !== undefined) return findOne(api, kind, name);
  const all = await api.list(kind);
  const [one] = all;
  if (one && all.length === 1) return one;
  const key = kind === "ServerPool" ? "pool" : "repository";
  throw new TbuildError("environment", `has ${all.length || "no"} ${kindWords[kind][1]}`, {
    subject: api.name,
    lines: all.map((each) => each.name),
    hint: `Set manager.${key} in the site.`,
  });
}

const kindWords: Readonly<Record<ObjectKind, readonly [one: string, several: string]>> = {
  ServerPool: ["server pool", "server pools"],
  Server: ["server", "servers"],
  Repository: ["repository", "repositories"],
  Network: ["network", "networks"],
  Vm: ["virtual machine or template", "virtual machines or templates"],
  VirtualDisk: ["virtual disk", "virtual disks"],
  VirtualCdrom: ["disc", "discs"],
  Assembly: ["assembly", "assemblies"],
};

export interface Creation {
  /** For messages: `machine vm001`. */
  readonly what: string;
  /** Lists all objects that could be the new one, before and after. */
  list(): Promise<readonly Named[]>;
  readonly name: string;
  create(): Promise<string>;
  /** Whether an object is complete. */
  matches(id: string): Promise<boolean>;
  remove(id: string): Promise<void>;
}

/**
 * Makes an object. After a failure or an unknown outcome, looks for a new object of this name. If the outcome
 * was unknown and the object is complete, it is used; otherwise it is removed. If the removal fails, the
 * error names the object.
 */
export async function createSteadily(creation: Creation): Promise<string> {
  const { what, name } = creation;
  const before = new Set((await creation.list()).filter((one) => one.name === name).map(({ id }) => id));
  try {
    return await creation.create();
  } catch (error) {
    if (error instanceof Interrupted || !(error instanceof TbuildError)) throw error;
    // If the Manager cannot be reached, it is unknown what it made.
    const made = await creation
      .list()
      .then((all) => all.filter((one) => one.name === name && !before.has(one.id)))
      .catch(() => undefined);
    if (made === undefined)
      throw error.with({
        lines: [...error.lines, `Whether the ${what} was made is unknown: the Manager cannot be reached.`],
      });
    const isUnknown = error.code === "outcome-unknown";
    const [one] = made;
    if (isUnknown && one && made.length === 1 && (await creation.matches(one.id))) return one.id;
    const lines: string[] = [];
    for (const { id } of made)
      lines.push(
        await creation.remove(id).then(
          () => `The incomplete ${what} was removed (${id}).`,
          () => `An incomplete ${what} could not be removed: ${id}.`,
        ),
      );
    if (lines.length === 0 && isUnknown) lines.push(`The ${what} was not made.`);
    throw error.with({ lines: [...error.lines, ...lines] });
  }
}
