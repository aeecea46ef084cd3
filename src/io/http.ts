import { Interrupted } from "../errors.ts";
import { type Connecting, Dispatchers } from "./http-dispatchers.ts";
import { type Answer, HttpError, type Question } from "./http-exchange.ts";
import { type Sending, sendOnce } from "./http-once.ts";
import { followed } from "./http-redirects.ts";
import { resumedBody } from "./resumed-body.ts";
import { mostBusyTries, mostTries, retryAfterMs, waitBefore } from "./retry.ts";
import { type Limits, usualLimits, Watch } from "./stall-watch.ts";

export {
  type Answer,
  CertificateError,
  ChangedError,
  HttpError,
  type Question,
  RefusedError,
} from "./http-exchange.ts";

export interface ClientOptions extends Connecting {
  readonly signal?: AbortSignal | undefined;
  /** Called every few seconds with what the client is waiting for. */
  readonly onWait?: (words: string) => void;
  readonly limits?: Partial<Limits>;
  /** Called before each request, including redirects. Returns headers for that URL only; throws if the request must not be sent. */
  readonly admit?: (url: URL) => Readonly<Record<string, string>>;
  /** Called with each refusal and the number of earlier calls. Return true to retry, for example after a login. */
  readonly again?: (answer: Answer, times: number) => Promise<boolean>;
}

/** The HTTP and HTTPS client for everything that tbuild requests. */
export interface Client extends AsyncDisposable {
  /**
   * Sends a request, and retries if that may succeed later. Returns any response; throws `HttpError` if there
   * is none.
   */
  ask(question: Question): Promise<Answer>;
  /**
   * The body of a GET. An interrupted transfer resumes where it stopped. `size` is the expected length in bytes, given for
   * content whose digest the caller checks. Throws `RefusedError` for any status but success, and `ChangedError` if the rest may
   * be of another file.
   */
  read(question: Omit<Question, "method">, size?: number): AsyncGenerator<Uint8Array>;
}

/** Statuses of a busy server, which gets more tries, and of a failing one. */
const busy = [429, 503];
const passing = [408, 425, 429, 500, 502, 503, 504];

export function httpClient(options: ClientOptions = {}): Client {
  const limits = { ...usualLimits, ...options.limits };
  const { signal, onWait, proxyFor } = options;
  const dispatchers = new Dispatchers(options, limits);
  const sending: Sending = { dispatchers, proxyFor, signal };
  const watchFor = (url: URL) =>
    new Watch(limits, onWait && ((seconds) => onWait(`${url.host} has sent nothing for ${seconds} s`)));
  const ask = (question: Question, watch: Watch) =>
    retried(
      question,
      () => followed(question, options.admit, (one) => sendOnce(sending, one, watch)),
      watch,
      options,
    );

  return {
    async ask(question) {
      return ask(question, watchFor(question.url));
    },

    read(question, size) {
      const watch = watchFor(question.url);
      return resumedBody(question, size, {
        watch,
        limits,
        ask: (one) => ask(one, watch),
        pauseFor: (ms) => pauseFor(ms, watch, signal),
      });
    },

    async [Symbol.asyncDispose]() {
      await dispatchers[Symbol.asyncDispose]();
    },
  };
}

/** Sends a request again as long as that may help. */
async function retried(
  question: Question,
  send: () => Promise<Answer>,
  watch: Watch,
  { again, onWait, signal }: Pick<ClientOptions, "again" | "onWait" | "signal">,
): Promise<Answer> {
  const { host } = question.url;
  let times = 0;
  for (let attempt = 1; ; attempt++) {
    let answer: Answer;
    try {
      answer = await send();
    } catch (error) {
      const wait = waitBefore(attempt);
      if (!(error instanceof HttpError) || error.isFinal || question.isOnce) throw error;
      if (attempt >= mostTries || watch.left() <= wait) throw error;
      await pauseFor(wait, watch, signal);
      continue;
    }
    if (!passing.includes(answer.status) || question.isOnce) {
      const isAgain = !answer.ok && times < mostTries && (await isWorthAnother(answer, times, again));
      if (!isAgain) return answer;
      answer.drop();
      // A login is not a failed attempt.
      attempt--;
      times++;
      continue;
    }
    const told = retryAfterMs(answer.header("retry-after"), Date.now());
    const wait = told ?? waitBefore(attempt);
    const most = busy.includes(answer.status) ? mostBusyTries : mostTries;
    if (attempt >= most || wait >= watch.left()) return answer;
    answer.drop();
    if (wait >= 2000) onWait?.(`${host} is busy; asking again in ${Math.ceil(wait / 1000)} s`);
    await pauseFor(wait, watch, signal);
  }
}

// A connection with an unread response would keep the process alive.
async function isWorthAnother(
  answer: Answer,
  times: number,
  again: ClientOptions["again"],
): Promise<boolean> {
  try {
    return (await again?.(answer, times)) ?? false;
  } catch (error) {
    answer.drop();
    throw error;
  }
}

async function pauseFor(ms: number, watch: Watch, signal: AbortSignal | undefined): Promise<void> {
  watch.wait();
  const { setTimeout: sleep } = await import("node:timers/promises");
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => {
    throw new Interrupted();
  });
}
