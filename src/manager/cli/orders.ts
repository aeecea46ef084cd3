import { TbuildError } from "../../errors.ts";
import type { Named } from "../api.ts";
import { type Block, listed, type Property, properties } from "./answer.ts";
import { type Command, command, instance } from "./command.ts";
import type { Dialect, Release } from "./dialect.ts";
import type { Door } from "./door.ts";

export interface CliManagerOptions {
  /** The release whose syntax to use, regardless of what the Manager reports. */
  readonly release?: Release | undefined;
  readonly commandMs: number;
  readonly copyMs: number;
}

/** Commands to the Manager, with their deadlines. */
export interface Orders {
  readonly door: Door;
  readonly dialect: Dialect;
  readonly copyMs: number;
  order(one: Command, deadlineMs?: number): Promise<Block>;
  /** A command with one object: `delete Vm id=…`. */
  on(words: string, type: string, id: string, deadlineMs?: number): Promise<Block>;
  /** A command that creates an object; returns its id. */
  created(type: string, one: Command, deadlineMs?: number): Promise<string>;
  list(type: string): Promise<Named[]>;
  rows(type: string, id: string): Promise<Property[]>;
}

export function ordersOf(door: Door, dialect: Dialect, { commandMs, copyMs }: CliManagerOptions): Orders {
  const order: Orders["order"] = (one, deadlineMs = commandMs) =>
    door.order(one, deadlineMs).catch(async (error) => {
      throw await withJobs(error, door, dialect);
    });

  return {
    door,
    dialect,
    copyMs,
    order,
    on: (words, type, id, deadlineMs) => order(command(`${words} ${instance({ type, id })}`), deadlineMs),

    async created(type, one, deadlineMs) {
      const [row] = listed(await order(one, deadlineMs));
      if (row) return row.id;
      throw new TbuildError("environment", `made a ${type}, but did not report its id: ${one.shown}`, {
        subject: door.name,
        code: "outcome-unknown",
      });
    },

    list: async (type) => listed(await door.read(command(`list ${type}`))),
    rows: async (type, id) => properties(await door.read(command(`show ${instance({ type, id })}`))),
  };
}

/** The job continues. Lists the last jobs, and how to abort one; which of them it is, is unknown. */
async function withJobs(error: unknown, door: Door, dialect: Dialect): Promise<unknown> {
  if (!(error instanceof TbuildError) || error.code !== "outcome-unknown") return error;
  const block = await door.read(command(dialect.lastJobs, { amount: 5 })).catch(() => undefined);
  const jobs = block ? listed(block) : [];
  if (jobs.length === 0) return error;
  return error.with({
    lines: [...error.lines, "its last jobs:", ...jobs.map(({ id, name }) => `${id}  ${name}`)],
    hint: `${error.hint ?? ""} If it is still in progress, abort it there: abort Job id=ID`.trim(),
  });
}
