import { Interrupted, TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import type { RestFaults } from "./faults.ts";
import { faultIn, idIn, type Json, member } from "./json.ts";

export interface JobContext {
  /** The Manager's. */
  readonly name: string;
  readonly faults: RestFaults;
  ask(method: "GET" | "PUT", path: string): Promise<Json>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits for the end of a job, and returns the id of the object that it made, if any. It polls until
 * `summaryDone`: a job is done when its child jobs are, too.
 */
export async function jobResult(
  { name, faults, ask, signal }: JobContext,
  first: Json,
  shown: string,
  deadlineMs: number,
): Promise<string | undefined> {
  const id = idIn(member(first, "id"))?.value;
  if (id === undefined) return undefined;
  const until = Date.now() + deadlineMs;
  for (let job = first, pause = 20; ; pause = Math.min(5000, pause * 1.5)) {
    if (member(job, "summaryDone") === true) {
      const state = member(job, "jobRunState");
      if (state === "SUCCESS") return idIn(member(job, "resultId"))?.value;
      throw faults.refused(shown, faultIn(job) ?? [`The job ended as ${String(state)}.`]);
    }
    if (Date.now() >= until) {
      const isAborted = await aborted(ask, id);
      throw overdue(name, { id, isAborted }, shown, deadlineMs);
    }
    await sleep(Math.min(pause, Math.max(0, until - Date.now())), signal);
    if (signal?.aborted) throw new Interrupted();
    job = await ask("GET", `/Job/${encodeURIComponent(id)}`);
  }
}

// A job can stay in progress forever (Concepts Guide 3.3, 8.1). Aborting it frees the objects that it locks.
function aborted(ask: JobContext["ask"], id: string): Promise<boolean> {
  return ask("PUT", `/Job/${encodeURIComponent(id)}/abort`).then(
    () => true,
    () => false,
  );
}

function overdue(
  name: string,
  { id, isAborted }: { readonly id: string; readonly isAborted: boolean },
  shown: string,
  deadlineMs: number,
): TbuildError {
  return new TbuildError("environment", `not done within ${Math.round(deadlineMs / 1000)} s: ${shown}`, {
    subject: name,
    code: "outcome-unknown",
    hint: isAborted
      ? `Job ${id} was aborted. Set manager.commandMinutes or manager.copyMinutes if it needs more time.`
      : `Job ${id} is still in progress, and could not be aborted. Abort it in the web interface.`,
  });
}
