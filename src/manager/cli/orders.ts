import { TbuildError } from "../../errors.ts";
import type { Named } from "../api.ts";
import { type Block, listed, type Property, properties } from "./answer.ts";
import type { CliClient } from "./client.ts";
import { type Command, command, instance } from "./command.ts";
import type { Dialect, Release } from "./dialect.ts";

export interface CliManagerOptions {
  /** The release whose syntax to use, regardless of what the Manager reports. */
  readonly release?: Release | undefined;
  readonly commandMs: number;
  readonly copyMs: number;
}

/** Commands to the Manager, with their deadlines. */
export interface Orders {
  readonly client: CliClient;
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

export function ordersOf(
  client: CliClient,
  dialect: Dialect,
  { commandMs, copyMs }: CliManagerOptions,
): Orders {
  const order: Orders["order"] = (one, deadlineMs = commandMs) =>
    client.order(one, deadlineMs).catch(async (error) => {
      throw await withJobs(error, client, dialect);
    });

  return {
    client,
    dialect,
    copyMs,
    order,
    on: (words, type, id, deadlineMs) => order(command(`${words} ${instance({ type, id })}`), deadlineMs),

    async created(type, one, deadlineMs) {
      const [row] = listed(await order(one, deadlineMs));
      if (row) return row.id;
      throw new TbuildError("environment", `made a ${type}, but did not report its id: ${one.shown}`, {
        subject: client.name,
        code: "outcome-unknown",
      });
    },

    list: async (type) => listed(await client.read(command(`list ${type}`))),
    rows: async (type, id) => properties(await client.read(command(`show ${instance({ type, id })}`))),
  };
}

/** The job continues. Lists the last jobs, and how to abort one; which of them it is, is unknown. */
async function withJobs(error: unknown, client: CliClient, dialect: Dialect): Promise<unknown> {
  if (!(error instanceof TbuildError) || error.code !== "outcome-unknown") return error;
  const block = await client.read(command(dialect.lastJobs, { amount: 5 })).catch(() => undefined);
  const jobs = block ? listed(block) : [];
  if (jobs.length === 0) return error;
  return error.with({
    lines: [...error.lines, "its last jobs:", ...jobs.map(({ id, name }) => `${id}  ${name}`)],
    hint: `${error.hint ?? ""} If it is still in progress, abort it there: abort Job id=ID`.trim(),
  });
}
