import { checkInterrupted, TbuildError } from "../errors.ts";
import { initialConfigKey } from "../firstboot/additions.ts";
import type { Answer } from "../firstboot/messages.ts";
import { rootPasswordKey } from "../firstboot/shipped.ts";
import { sleep, waitFor } from "../host/wait-for.ts";
import { amount } from "../io/units.ts";
import type { Conversation } from "./place.ts";
import type { firstBootPhases } from "./state.ts";

export type FirstBootPhase = (typeof firstBootPhases)[number];

export interface FirstBootJob {
  readonly name: string;
  readonly conversation: Conversation;
  readonly answers: readonly Answer[];
  /** The progress of an earlier run. */
  readonly phase: FirstBootPhase | undefined;
  /** `report`: wait until the guest reports that it is configured. `none`: send, and do not wait. */
  readonly confirm: "report" | "none";
  /** With `none`: the time from its start until a guest receives messages. */
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  /** Reports what was done. */
  readonly say: (text: string) => void;
  /** Reports what is being done. */
  readonly doing: (text: string) => void;
  /** Records the progress; resolves when that is on disk. */
  readonly reached: (phase: FirstBootPhase, why?: string) => Promise<void>;
  /** False if the machine has stopped. */
  readonly isRunning: () => Promise<boolean>;
  /** Where to find its console. */
  readonly console: string | undefined;
}

// A waiting guest reports that every 10 seconds. If it still does after this many checks, one second apart,
// it did not receive the messages of an earlier run.
const looks = 15;

// The pause before the root password, as in scripts for Oracle's additions.
const beforeRootMs = 5_000;

/** Configures a running machine by messages, the root password last, or continues where an earlier run stopped. */
export async function configure(job: FirstBootJob): Promise<"done" | "unconfirmed"> {
  if (job.confirm === "none") {
    job.doing(`waiting ${Math.round(job.waitMs / 1000)} s for it to boot`);
    await sleep(job.waitMs, job.signal);
    checkInterrupted(job.signal);
    await send(job, beforeRootMs);
    await job.reached("unconfirmed");
    job.say("all messages were sent; whether it configured itself is unknown");
    return "unconfirmed";
  }
  const deadline = Date.now() + job.timeoutMs;
  if (job.phase !== "sent") {
    job.doing("waiting for its first boot to request messages");
    await reported(job, deadline, (state) => state !== undefined);
  }
  // An earlier run may have sent everything already. Then the report "waiting" is old, unless it repeats.
  const state =
    job.phase === "sent" ? await moved(job) : await reported(job, deadline, (one) => one !== undefined);
  if (state === "waiting") {
    await send(job, 0);
    job.doing("configuring itself");
  }
  const end = await reported(job, deadline, (one) => one === "done" || one?.startsWith("failed") === true);
  if (end !== "done") {
    const why = end.replace(/^failed:? */, "");
    await job.reached("failed", why);
    throw new TbuildError("guest", `its first-boot configuration failed: ${why}`, {
      subject: job.name,
      hint: `Read /var/log/ovm-template-config.log in the guest${job.console === undefined ? "" : `, or at its console: ${job.console}`}. Then create it again with --replace ${job.name}.`,
    });
  }
  await job.reached("done");
  job.say("configured");
  return "done";
}

async function send(job: FirstBootJob, pauseMs: number): Promise<void> {
  const { answers, conversation } = job;
  await job.reached("sending");
  const [root, others] = [
    answers.filter(({ key }) => key === rootPasswordKey),
    answers.filter(({ key }) => key !== rootPasswordKey),
  ];
  job.doing(`sending ${amount(answers.length, "message")}`);
  const one = ({ key, value, password }: Answer) => conversation.send({ key, value, isSecret: password });
  for (const answer of others) await one(answer);
  await sleep(pauseMs, job.signal);
  checkInterrupted(job.signal);
  // When it arrives, the guest configures itself. From here on, no run may treat it as waiting.
  await job.reached("sent");
  for (const answer of root) await one(answer);
}

/** The state that a guest reports after waiting, or that it is still waiting. */
async function moved(job: FirstBootJob): Promise<string | undefined> {
  for (let look = 1; ; look++) {
    checkInterrupted(job.signal);
    const state = await stateNow(job);
    if ((state !== undefined && state !== "waiting") || look === looks) return state;
    await sleep(job.pollMs, job.signal);
  }
}

function reported(
  job: FirstBootJob,
  deadline: number,
  is: (state: string | undefined) => boolean,
): Promise<string> {
  let polls = 0;
  return waitFor(
    `${job.name}: first boot`,
    async (last) => {
      const state = await stateNow(job);
      if (is(state)) return state ?? "";
      if (polls++ % 10 === 0 && !(await job.isRunning()))
        throw new TbuildError("guest", "stopped during its first boot", {
          subject: job.name,
          hint:
            job.console === undefined
              ? "Run the command again to start the machine, and to continue."
              : `Its console: ${job.console}. Run the command again to start the machine, and to continue.`,
        });
      if (last) throw silent(job, state);
      return undefined;
    },
    { timeoutMs: Math.max(0, deadline - Date.now()), everyMs: job.pollMs, signal: job.signal },
  );
}

async function stateNow({ conversation }: FirstBootJob): Promise<string | undefined> {
  return (await conversation.reports()).findLast(({ key }) => key === initialConfigKey)?.value;
}

function silent(job: FirstBootJob, state: string | undefined): TbuildError {
  const seconds = Math.round(job.timeoutMs / 1000);
  const where = job.console === undefined ? "" : ` Its console: ${job.console}.`;
  return state === undefined
    ? new TbuildError("guest", `its first boot reported nothing within ${seconds} s`, {
        subject: job.name,
        code: "timed-out",
        hint: `Is the template armed, and do its additions report? If they do not, set firstBoot: { confirm: none }.${where}`,
      })
    : new TbuildError("guest", `its first boot still reports "${state}" after ${seconds} s`, {
        subject: job.name,
        code: "timed-out",
        hint: `Run the command again to continue waiting.${where}`,
      });
}
