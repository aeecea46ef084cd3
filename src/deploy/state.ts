import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import { type Lock, tryLock } from "../host/lock.ts";
import { explained, removeDurably, textOf, writeOnce } from "../io/durable.ts";
import type { Mark } from "./place.ts";

/**
 * How far the first boot of a machine is. `sending`: the first message may be out, and the root password is not.
 * `sent`: the root password may be out, so the guest may be configuring itself. `unconfirmed`: all is sent, and nobody reports.
 */
export const firstBootPhases = ["sending", "sent", "done", "unconfirmed", "failed"] as const;

const Nic = z.object({
  network: z.string(),
  mac: z.string(),
  address: z.string().exactOptional(),
});
const MachineState = z.object({
  /** `making`: it was asked for, and may be there in part. `changing`: a change may be done in part. */
  phase: z.enum(["making", "made", "changing", "removing"]),
  template: z.object({
    ref: z.string(),
    /** `name@1.2.3`, or the place's name of it. */
    name: z.string(),
  }),
  /** As it was made or changed last, to tell drift from changes of the file. */
  applied: z
    .object({
      vcpus: z.number(),
      memoryMib: z.number(),
      nics: z.array(Nic).readonly(),
      disks: z
        .array(
          z.object({ slot: z.number(), disk: z.string(), mode: z.enum(["write", "read-only", "shared"]) }),
        )
        .readonly(),
    })
    .exactOptional(),
  firstBoot: z
    .object({
      phase: z.enum(firstBootPhases),
      /** Of the values that are no secrets, to see that they changed. */
      values: z.string(),
      why: z.string().exactOptional(),
    })
    .exactOptional(),
});
export type MachineState = z.infer<typeof MachineState>;

const State = z.object({
  schema: z.literal(1),
  /** What its machines and disks are marked with. */
  id: z.string().regex(/^[0-9a-f]{12}$/),
  deployment: z.string(),
  /** The `identity` of its place. */
  place: z.string(),
  machines: z.record(z.string(), MachineState),
  /** Disks that were asked for, by their names. */
  disks: z.record(z.string(), z.object({ phase: z.enum(["making", "made", "removing"]) })),
  /** Anti-affinity groups that were asked for. */
  groups: z.record(z.string(), z.array(z.string()).readonly()),
});
/** What is known of a deployment: no secrets. */
export type State = z.infer<typeof State>;

export function newState(deployment: string, place: string): State {
  return {
    schema: 1,
    id: randomBytes(6).toString("hex"),
    deployment,
    place,
    machines: {},
    disks: {},
    groups: {},
  };
}

export function markOf({ id, deployment }: State): Mark {
  return { id, deployment };
}

/** Keeps a state. Each change is on disk before `change` resolves. */
export interface StateKeeper {
  readonly state: State;
  change(alter: (state: State) => void): Promise<void>;
  /** Everything is destroyed: the file goes. */
  forget(): Promise<void>;
}

/** The state file of a deployment. */
export function stateFile(folder: string, deployment: string): string {
  return join(folder, `${deployment}.json`);
}

/** Reads a state; `undefined` if there is none. */
export async function readState(file: string): Promise<State | undefined> {
  const text = await textOf(file);
  if (text === undefined) return undefined;
  const damaged = (cause: unknown) =>
    new TbuildError("integrity", "is not the state of a deployment", {
      subject: file,
      cause,
      hint: "Restore it from a backup. Without it, tbuild does not know what it made.",
    });
  try {
    return State.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(error);
  }
}

/** Takes the deployment's lock, so that one process at a time works on it. */
export async function lockState(file: string): Promise<Lock> {
  const got = await tryLock(`${file}.lock`);
  if ("release" in got) return got;
  throw new TbuildError(
    "environment",
    `is being worked on by process ${got.heldBy}${got.on === undefined ? "" : ` on ${got.on}`}`,
    { subject: file, hint: "Wait until it ends, or stop it with Ctrl-C." },
  );
}

/** Keeps a state in a file. Changes that come while one is written are written together, in one go. */
export function keepState(file: string, state: State): StateKeeper {
  let current = state;
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const write = async () => {
    next = undefined;
    const text = `${JSON.stringify(current, undefined, 1)}\n`;
    await writeOnce(`${file}.part`, file, text).catch((error) => {
      throw explained(error, file);
    });
  };
  return {
    get state() {
      return current;
    },
    change(alter) {
      const copy = structuredClone(current);
      alter(copy);
      current = copy;
      next ??= writing.then(write, write);
      writing = next;
      return next;
    },
    async forget() {
      await writing.catch(() => {});
      await removeDurably([file]);
    },
  };
}
