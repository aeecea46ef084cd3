import { setTimeout as sleep } from "node:timers/promises";
import { Interrupted, TbuildError } from "../../../errors.ts";
import { type Answer, HttpError, type Question } from "../../../io/http.ts";
import { mostTries, retryAfterMs, waitBefore } from "../../../io/retry.ts";
import type { Digest } from "../../../model/digest.ts";

export interface Uploads {
  readonly registry: string;
  readonly signal?: AbortSignal | undefined;
  /** The address of a path in the repository. */
  api(path: string): URL;
  isAllowed(url: URL): boolean;
  send(question: Question): Promise<Answer>;
  hasBlob(digest: Digest): Promise<boolean>;
  refused(answer: Answer, what: string): Promise<TbuildError>;
}

const longestWaitMs = 100_000;
/** The upload expired or moved, or the server failed. Another upload may succeed. */
const passing = [404, 408, 416, 429, 500, 502, 503, 504];

/**
 * Uploads a blob. An interrupted upload starts again as a new one, because a registry does not accept the
 * first bytes of an upload twice. The registry may also have stored the blob, and only its answer was lost.
 */
export async function upload(uploads: Uploads, digest: Digest, data: Uint8Array): Promise<void> {
  const { hasBlob, refused, send } = uploads;
  for (let attempt = 1; ; attempt++) {
    const url = await begin(uploads);
    const withDigest = new URL(url);
    // Appended, because the existing query may be signed.
    withDigest.search += `${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`;
    const question = { url: withDigest, method: "PUT", body: data, isOnce: true } as const;
    const headers = { "content-type": "application/octet-stream" };
    let wait = waitBefore(attempt);
    try {
      const done = await send({ ...question, headers });
      if (done.status === 201) return done.drop();
      const fault = await refused(done, `the upload of ${digest}`);
      if (!passing.includes(done.status) || attempt >= mostTries) throw fault;
      wait = retryAfterMs(done.header("retry-after"), Date.now()) ?? wait;
      if (wait > longestWaitMs) throw fault;
    } catch (error) {
      if (!(error instanceof HttpError) || error.isFinal || attempt >= mostTries) throw error;
    }
    await sleep(wait, undefined, uploads.signal ? { signal: uploads.signal } : {}).catch(() => {
      throw new Interrupted();
    });
    if (await hasBlob(digest)) return;
  }
}

/** Adds a blob that another repository of the registry has. False if the registry does not do that. */
export async function mount(uploads: Uploads, digest: Digest, from: string): Promise<boolean> {
  const asked = uploads.api("blobs/uploads/");
  asked.search = new URLSearchParams({ mount: digest, from }).toString();
  const answer = await uploads.send({ url: asked, method: "POST" });
  answer.drop();
  if (answer.status !== 202) return answer.status === 201;
  // The registry has begun an upload instead.
  const begun = located(uploads, answer);
  const ended = await uploads.send({ url: begun, method: "DELETE" }).catch((error) => {
    if (error instanceof HttpError) return undefined;
    throw error;
  });
  ended?.drop();
  return false;
}

async function begin(uploads: Uploads): Promise<URL> {
  const answer = await uploads.send({ url: uploads.api("blobs/uploads/"), method: "POST" });
  if (answer.status !== 202) throw await uploads.refused(answer, "an upload");
  answer.drop();
  return located(uploads, answer);
}

/** Where an upload goes: a path, an address, or an address without its scheme. */
function located({ registry, isAllowed }: Uploads, answer: Answer): URL {
  const location = answer.header("location");
  if (location === undefined || !URL.canParse(location, answer.url.href))
    throw new TbuildError("environment", "returned no address for the upload", { subject: registry });
  const url = new URL(location, answer.url);
  if (isAllowed(url)) return url;
  throw new TbuildError("environment", `requests the upload at ${url.protocol}//${url.host}`, {
    subject: registry,
    hint:
      url.hostname === answer.url.hostname
        ? "tbuild uses only https. If a proxy adds TLS to the registry, the proxy must send X-Forwarded-Proto: https."
        : "tbuild uses only https, unless you pass --plain-http.",
  });
}
