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
  /** How far an earlier run came. */
  readonly phase: FirstBootPhase | undefined;
  /** `report`: wait until the guest says that it is configured. `none`: send, and know nothing. */
  readonly confirm: "report" | "none";
  /** With `none`: how long after its start a guest hears messages. */
  readonly waitMs: number;
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Keeps how far it is; resolves when that is on disk. */
  readonly reached: (phase: FirstBootPhase, why?: string) => Promise<void>;
  /** False when the machine has stopped. */
  readonly isRunning: () => Promise<boolean>;
  /** Where its console is found. */
  readonly console: string | undefined;
}

// A guest that waits repeats itself every 10 seconds. If it still says so after so many looks, a second apart, it has not
// heard what an earlier run sent.
const looks = 15;

// The pause before the root password that scripts for Oracle's additions make.
const beforeRootMs = 5_000;

/** Configures a running machine by messages, the root password last, or continues where an earlier run stopped. */
export async function configure(job: FirstBootJob): Promise<"done" | "unconfirmed"> {
  if (job.confirm === "none") {
    job.say(`waiting ${Math.round(job.waitMs / 1000)} s for it to boot`);
    await sleep(job.waitMs, job.signal);
    checkInterrupted(job.signal);
    await send(job, beforeRootMs);
    await job.reached("unconfirmed");
    job.say("all messages are sent; whether it configured itself is not known");
    return "unconfirmed";
  }
  const deadline = Date.now() + job.timeoutMs;
  if (job.phase !== "sent") {
    job.say("waiting for its first boot to ask");
    await reported(job, deadline, (state) => state !== undefined);
  }
  // An earlier run may have sent everything already. Then "waiting" is old, unless it lasts.
  const state =
    job.phase === "sent" ? await moved(job) : await reported(job, deadline, (one) => one !== undefined);
  if (state === "waiting") {
    await send(job, 0);
    job.say("configuring itself");
  }
  const end = await reported(job, deadline, (one) => one === "done" || one?.startsWith("failed") === true);
  if (end !== "done") {
    const why = end.replace(/^failed:? */, "");
    await job.reached("failed", why);
    throw new TbuildError("guest", `its first-boot configuration failed: ${why}`, {
      subject: job.name,
      hint: `Look at /var/log/ovm-template-config.log in the guest${job.console === undefined ? "" : `, or at its console: ${job.console}`}. Then make it anew with --replace ${job.name}.`,
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
  job.say(`sending ${amount(answers.length, "message")}`);
  const one = ({ key, value, password }: Answer) => conversation.send({ key, value, isSecret: password });
  for (const answer of others) await one(answer);
  await sleep(pauseMs, job.signal);
  checkInterrupted(job.signal);
  // When it arrives, the guest configures itself: from here on, nobody may take it for one that waits.
  await job.reached("sent");
  for (const answer of root) await one(answer);
}

/** The state that a guest reports once it no longer waits, or that it still waits. */
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
              ? "Run it again to start it, and to go on."
              : `Its console: ${job.console}. Run it again to start it, and to go on.`,
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
        hint: `Is the template armed, and do its additions report? Additions that report nothing need firstBoot: { confirm: none }.${where}`,
      })
    : new TbuildError("guest", `its first boot still reports "${state}" after ${seconds} s`, {
        subject: job.name,
        code: "timed-out",
        hint: `Run it again to go on waiting.${where}`,
      });
}
