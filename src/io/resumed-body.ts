import { createHash, type Hash } from "node:crypto";
import { TbuildError } from "../errors.ts";
import { type Answer, ChangedError, HttpError, type Question, RefusedError } from "./http-exchange.ts";
import { mostTries, waitBefore } from "./retry.ts";
import { type Limits, Stalled, type Watch } from "./stall-watch.ts";

interface Sender {
  readonly watch: Watch;
  readonly limits: Limits;
  ask(question: Question): Promise<Answer>;
  pauseFor(ms: number): Promise<void>;
}

/**
 * The body of a GET. An interrupted transfer resumes where it stopped. `size` is given for content whose
 * digest the caller checks. For other content, it throws `ChangedError` if the rest may not belong to the
 * part that was read.
 */
export async function* resumedBody(
  question: Omit<Question, "method">,
  size: number | undefined,
  { watch, limits, ask, pauseFor }: Sender,
): AsyncGenerator<Uint8Array> {
  let [at, fruitless]: [number, number] = [0, 0];
  let first: Answer | undefined;
  // Without a digest to compare, a server that starts again must start with the same bytes.
  const read = size === undefined ? createHash("sha256") : undefined;
  for (;;) {
    const answer = await ask({
      ...question,
      method: "GET",
      headers: { ...question.headers, ...(first && rangeFrom(at, first, size !== undefined)) },
    });
    if (!answer.ok) throw new RefusedError(answer);
    if (size === undefined && first && isOther(first, answer)) throw changed(answer);
    const from = at;
    let skip = beginOf(answer, at, size);
    first ??= answer;
    const again = skip > 0 && read ? createHash("sha256") : undefined;
    try {
      for await (const piece of answer.body) {
        if (skip > 0) again?.update(piece.subarray(0, skip));
        const rest = skip >= piece.length ? undefined : piece.subarray(skip);
        skip = Math.max(0, skip - piece.length);
        if (rest === undefined) continue;
        if (from === at && again && read && !isEqual(again, read)) throw changed(answer);
        read?.update(rest);
        at += rest.length;
        yield rest;
      }
      if (again && read && from === at && (skip > 0 || !isEqual(again, read))) throw changed(answer);
      if (size === undefined || at >= size) return;
      throw new HttpError(answer.url.host, `the answer ended after ${at} of ${size} bytes`, {
        isAnswered: true,
      });
    } catch (error) {
      if (!(error instanceof HttpError) || error instanceof ChangedError) throw error;
      // A slow server takes a minute for each try.
      const weight = error.cause instanceof Stalled ? mostTries / 2 : 1;
      fruitless = at - from >= limits.slowBytes ? 0 : fruitless + weight;
      const wait = waitBefore(fruitless);
      if (fruitless >= mostTries || watch.left() <= wait) throw error;
      await pauseFor(wait);
    }
  }
}

function rangeFrom(at: number, first: Answer, isKnown: boolean): Record<string, string> {
  if (at === 0) return {};
  // Weak validators do not guarantee equal bytes (RFC 9110, section 13.1.5).
  const etag = first.header("etag");
  const validator = etag?.startsWith('"') ? etag : isKnown ? undefined : first.header("last-modified");
  if (validator === undefined && !isKnown) return {};
  return { range: `bytes=${at}-`, ...(validator !== undefined && { "if-range": validator }) };
}

/** A header of the second answer shows that it is another file than the first. */
function isOther(first: Answer, second: Answer): boolean {
  const differs = (one: string | undefined, other: string | undefined) =>
    one !== undefined && other !== undefined && one !== other;
  return (
    differs(first.header("etag"), second.header("etag")) ||
    differs(first.header("last-modified"), second.header("last-modified")) ||
    differs(wholeOf(first), wholeOf(second))
  );
}

/** The length of the whole file, if the answer contains it. */
function wholeOf(answer: Answer): string | undefined {
  const [, total] = /^bytes \d+-\d+\/(\d+)$/i.exec(answer.header("content-range") ?? "") ?? [];
  const whole = answer.status === 206 ? total : answer.header("content-length");
  return /^\d+$/.test(whole ?? "") ? whole : undefined;
}

function isEqual(one: Hash, other: Hash): boolean {
  return one.digest("hex") === other.copy().digest("hex");
}

function changed(answer: Answer): ChangedError {
  answer.drop();
  return new ChangedError(answer.url.host);
}

/** The number of bytes at the start of a response that are already known, if the request asked for those after `at`. */
function beginOf(answer: Answer, at: number, size: number | undefined): number {
  const whole = wholeOf(answer);
  const fault = (why: string) => {
    answer.drop();
    return new TbuildError("integrity", why, { subject: answer.url.host });
  };
  if (size !== undefined && whole !== undefined && Number(whole) !== size)
    throw fault(`offers ${whole} bytes, but ${size} were expected`);
  if (answer.status !== 206) return at;
  const [, begin] = /^bytes (\d+)-/i.exec(answer.header("content-range") ?? "") ?? [];
  if (Number(begin ?? 0) !== at) throw fault("sent another part than the requested one");
  return 0;
}
