import { Interrupted, TbuildError } from "../errors.ts";
import type { ManagerApi, Named, ObjectKind } from "./api.ts";

/*
 * Names to ids, and creations that may be repeated. From 3.3.1 operations are not all-or-nothing: one that fails may leave its
 * parent object, which has to be found and removed before the next try (Release Notes 3.3, 6.11 "Operation Transactions").
 */

/** The only object of this name; refuses none, with suggestions, and several. */
export async function findOne(api: ManagerApi, kind: ObjectKind, name: string): Promise<Named> {
  const all = await api.list(kind);
  const found = all.filter((one) => one.name === name || one.id === name);
  const [one] = found;
  if (one && found.length === 1) return one;
  const words = kindWords[kind];
  if (found.length > 1)
    throw new TbuildError("environment", `has ${found.length} ${words}s named ${name}`, {
      subject: api.name,
      lines: found.map(({ id }) => id),
      hint: "Names are not unique there. Use the id, or rename one of them.",
    });
  throw new TbuildError("environment", `has no ${words} named ${name}`, {
    subject: api.name,
    lines: all.slice(0, 20).map((each) => each.name),
    hint: all.length === 0 ? "It has none at all." : "The lines above are those that it has.",
  });
}

/** The one that is named, or the only one there is. */
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
  throw new TbuildError("environment", `has ${all.length || "no"} ${kindWords[kind]}s`, {
    subject: api.name,
    lines: all.map((each) => each.name),
    hint: `Set manager.${key} in the site.`,
  });
}

const kindWords: Readonly<Record<ObjectKind, string>> = {
  ServerPool: "server pool",
  Server: "server",
  Repository: "repository",
  Network: "network",
  Vm: "virtual machine or template",
  VirtualDisk: "virtual disk",
  VirtualCdrom: "disc",
  Assembly: "assembly",
};

export interface Creation {
  /** For messages: `machine vm001`. */
  readonly what: string;
  /** All objects that the new one could be, before and after. */
  list(): Promise<readonly Named[]>;
  readonly name: string;
  create(): Promise<string>;
  /** Whether an object is as it should be. */
  matches(id: string): Promise<boolean>;
  remove(id: string): Promise<void>;
}

/**
 * Makes an object. After a failure, or if it is not known whether it was made, looks for a new object of the name: one that is as it
 * should be is used when the outcome was not known, any other is removed. What cannot be removed is named.
 */
export async function createSteadily(creation: Creation): Promise<string> {
  const { what, name } = creation;
  const before = new Set((await creation.list()).filter((one) => one.name === name).map(({ id }) => id));
  try {
    return await creation.create();
  } catch (error) {
    if (error instanceof Interrupted || !(error instanceof TbuildError)) throw error;
    // A Manager that cannot be asked says nothing about what it made.
    const made = await creation
      .list()
      .then((all) => all.filter((one) => one.name === name && !before.has(one.id)))
      .catch(() => undefined);
    if (made === undefined)
      throw error.with({
        lines: [...error.lines, `Whether the ${what} was made is not known: the Manager cannot be asked.`],
      });
    const isUnknown = error.code === "outcome-unknown";
    const [one] = made;
    if (isUnknown && one && made.length === 1 && (await creation.matches(one.id))) return one.id;
    const lines: string[] = [];
    for (const { id } of made)
      lines.push(
        await creation.remove(id).then(
          () => `The half-made ${what} was removed (${id}).`,
          () => `A half-made ${what} is left, and could not be removed: ${id}.`,
        ),
      );
    if (lines.length === 0 && isUnknown) lines.push(`The ${what} was not made.`);
    throw error.with({ lines: [...error.lines, ...lines] });
  }
}
