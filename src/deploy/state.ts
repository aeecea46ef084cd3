import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import { type Lock, tryLock } from "../host/lock.ts";
import { replaceFile } from "../host/partial-file.ts";
import { keptTextOf, removeDurably } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import type { Mark } from "./place.ts";

/**
 * The progress of a machine's first boot. `sending`: the first message may have been sent, but not the root
 * password. `sent`: the root password may have been sent, so the guest may be configuring itself.
 * `unconfirmed`: all messages were sent, but the guest does not report.
 */
export const firstBootPhases = ["sending", "sent", "done", "unconfirmed", "failed"] as const;

const schema = 1;

const Nic = z.object({
  network: z.string(),
  mac: z.string(),
  address: z.string().exactOptional(),
});
const MachineState = z.object({
  /** `making`: its creation was requested, and may be incomplete. `changing`: a change may be incomplete. */
  phase: z.enum(["making", "made", "changing", "removing"]),
  template: z.object({
    ref: z.string(),
    /** `name@1.2.3`, or its name at the place. */
    name: z.string(),
  }),
  /** Its state after the last run, to tell drift from changes of the file. */
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
      /** Digest of the values that are not secret, to detect changes. */
      values: z.string(),
      why: z.string().exactOptional(),
    })
    .exactOptional(),
});
export type MachineState = z.infer<typeof MachineState>;

const State = z.object({
  schema: z.literal(schema),
  /** The mark of its machines and disks. */
  id: z.string().regex(/^[0-9a-f]{12}$/),
  deployment: z.string(),
  /** The `identity` of its place. */
  place: z.string(),
  machines: z.record(z.string(), MachineState),
  /** Requested disks, by their names. */
  disks: z.record(z.string(), z.object({ phase: z.enum(["making", "made", "removing"]) })),
  /** Requested anti-affinity groups. */
  groups: z.record(z.string(), z.array(z.string()).readonly()),
});
/** The known facts about a deployment, without secrets. */
export type State = z.infer<typeof State>;

export function newState(deployment: string, place: string): State {
  return {
    schema,
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
  /** Everything is destroyed, so the file is deleted. */
  forget(): Promise<void>;
}

/** The state file of a deployment. */
export function stateFile(folder: string, deployment: string): string {
  return join(folder, `${deployment}.json`);
}

/** Reads a state; `undefined` if there is none. */
export async function readState(file: string): Promise<State | undefined> {
  const text = await keptTextOf(file);
  if (text === undefined) return undefined;
  const damaged = (cause: unknown) =>
    new TbuildError("integrity", "is not the state of a deployment", {
      subject: file,
      cause,
      hint: "Restore it from a backup. Without it, tbuild does not know what it made.",
    });
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw damaged(error);
  }
  const { data: written } = z.object({ schema: z.int() }).safeParse(read);
  if (written !== undefined && written.schema > schema)
    throw new TbuildError("environment", "was written by a newer version of tbuild", {
      subject: file,
      hint: "Use that version, or a later one.",
    });
  const { data: state, error } = State.safeParse(read);
  if (state === undefined) throw damaged(error);
  return state;
}

/** Takes the deployment's lock, so that one process at a time works on it. */
export async function lockState(file: string): Promise<Lock> {
  const got = await tryLock(`${file}.lock`);
  if ("release" in got) return got;
  throw new TbuildError(
    "environment",
    `is in use by process ${got.heldBy}${got.on === undefined ? "" : ` on ${got.on}`}`,
    { subject: file, hint: "Wait until it ends, or stop it with Ctrl-C." },
  );
}

/** Keeps a state in a file. Changes that arrive during a write are combined into one write. */
export function keepState(file: string, state: State): StateKeeper {
  let current = state;
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const write = async () => {
    next = undefined;
    await replaceFile(file, `${JSON.stringify(current, undefined, 1)}\n`, 0o444).catch((error) => {
      throw hinted(
        error,
        "What was done stays. Correct this, and run the same command again: it does the rest.",
      );
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
      await removeDurably([file]).catch((error) => {
        const hint = "Everything else is destroyed. Correct this, and run the same command again.";
        throw hinted(fileFault(error, file), hint);
      });
    },
  };
}

function hinted(error: unknown, hint: string): unknown {
  return error instanceof TbuildError ? error.with({ hint }) : error;
}
