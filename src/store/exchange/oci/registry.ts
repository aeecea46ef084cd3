import { createHash } from "node:crypto";
import { checkInterrupted, TbuildError } from "../../../errors.ts";
import { printable } from "../../../io/escape.ts";
import {
  type Answer,
  type ClientOptions,
  HttpError,
  httpClient,
  type Question,
  RefusedError,
} from "../../../io/http.ts";
import { retryAfterMs } from "../../../io/retry.ts";
import { asDigest, type Digest, digestOf } from "../../../model/digest.ts";
import { certificateFault, type TrustPlaces, trust } from "./certificates.ts";
import { apiHost, type Credentials } from "./credentials.ts";
import { loginTo, wantsLogin } from "./login.ts";
import { isDigest, type Reference, referenceText } from "./reference.ts";
import { mount, upload } from "./upload.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
const largestManifest = 4 * 2 ** 20;

export interface RegistryOptions extends Pick<ClientOptions, "proxyFor" | "onWait" | "limits"> {
  /** Use plain http. Only on request. */
  readonly plainHttp?: boolean;
  /** Called once, and only if the registry asks for a login. */
  readonly credentials?: () => Promise<Credentials | undefined>;
  /** Describes where credentials are looked for. */
  readonly lookedIn?: string;
  /** Trusted certificates, besides Node's own. */
  readonly trust?: TrustPlaces;
  readonly signal?: AbortSignal;
}

/** One repository of a registry, through the OCI distribution API. */
export interface Registry {
  hasBlob(digest: Digest): Promise<boolean>;
  putBlob(digest: Digest, data: Uint8Array): Promise<void>;
  /** Takes over a blob from another repository. False if that was not possible. */
  mountBlob(digest: Digest, from: string): Promise<boolean>;
  /** Streams a blob. Throws at the end if it is longer than `size` or has another digest. */
  readBlob(digest: Digest, size: number): AsyncIterable<Uint8Array>;
  putManifest(which: string, data: Uint8Array): Promise<void>;
  /** `undefined` if there is none. */
  getManifest(which: string): Promise<Uint8Array | undefined>;
  tags(): Promise<Tags>;
}

export interface Tags {
  readonly names: readonly string[];
  /** Why the list is empty or incomplete: a registry need not list its tags. `404 Not Found` if the repository does not exist yet. */
  readonly lacking?: string;
}

export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  const { registry, repository } = reference;
  const origin = new URL(`${options.plainHttp ? "http" : "https"}://${apiHost(registry)}`);
  const api = (path: string) => new URL(`/v2/${repository}/${path}`, origin);
  const { folders = [], bundles = [] } = options.trust ?? {};
  const places = { folders, bundles };
  const contextOf = trust(places, origin.host);
  const common = { contextOf, signal: options.signal, ...pick(options, ["proxyFor", "onWait", "limits"]) };
  const isAllowed = ({ protocol }: URL) => protocol === "https:" || options.plainHttp === true;

  // A separate client: headers for the registry must never reach its token server.
  const tokens = httpClient({
    ...common,
    admit(url) {
      if (isAllowed(url)) return {};
      throw new TbuildError("environment", `gives its tokens out unencrypted, at ${url.host}`, {
        subject: registry,
        hint: "Nothing was sent there. Ask who runs the registry for an https address of its tokens.",
      });
    },
  });
  const login = loginTo(registry, repository, tokens, options.credentials, (host, error) =>
    unreachable(`${host}, which gives the tokens of ${registry}`, host, places, error),
  );
  const client = httpClient({
    ...common,
    admit(url) {
      checkInterrupted(options.signal);
      if (!isAllowed(url))
        throw new TbuildError("environment", `redirects to ${url.protocol}//${url.host}`, {
          subject: registry,
          hint: "tbuild uses only https, unless you pass --plain-http.",
        });
      return url.origin === origin.origin ? login.headers() : {};
    },
    again: async (answer, times) =>
      wantsLogin(answer) && answer.url.origin === origin.origin && login.answer(answer, times),
  });

  async function ask(question: Question): Promise<Answer> {
    return await client.ask(question).catch((error) => {
      throw unreachable(registry, registry, places, error);
    });
  }

  async function refused(answer: Answer, what: string): Promise<TbuildError> {
    const said = await limitedText(registry, answer, 2 ** 16).catch(() => "");
    const lines = [answer.statusLine, ...printable(said).slice(0, 500).split("\n", 3)].filter(
      (line) => line.trim() !== "",
    );
    if (said.includes("HTTP request to an HTTPS server"))
      return new TbuildError("environment", "accepts https only", {
        subject: registry,
        lines,
        hint: "Omit --plain-http.",
      });
    if (answer.status === 401 || answer.status === 403)
      return login.refusal(answer, what, lines, options.lookedIn);
    if (answer.status === 429 || answer.status === 503) {
      const wait = retryAfterMs(answer.header("retry-after"), Date.now());
      return new TbuildError("environment", `is too busy for ${what}`, {
        subject: registry,
        lines,
        hint: `Try again ${wait === undefined ? "later" : `in ${inWords(wait)}; it says so itself`}.`,
      });
    }
    return new TbuildError("environment", `refused ${what}`, { subject: registry, lines });
  }

  async function hasBlob(digest: Digest): Promise<boolean> {
    const answer = await ask({ url: api(`blobs/${digest}`), method: "HEAD" });
    if (!answer.ok && answer.status !== 404) throw await refused(answer, `a look at ${digest}`);
    answer.drop();
    return answer.ok;
  }

  const { signal } = options;
  const uploads = { registry, signal, api, isAllowed, send: client.ask, hasBlob, refused };

  return {
    hasBlob,

    async putBlob(digest, data) {
      await upload(uploads, digest, data).catch((error) => {
        throw unreachable(registry, registry, places, error);
      });
    },

    async mountBlob(digest, from) {
      return await mount(uploads, digest, from).catch((error) => {
        throw unreachable(registry, registry, places, error);
      });
    },

    async *readBlob(digest, size) {
      const hash = createHash("sha256");
      let bytes = 0;
      try {
        for await (const piece of client.read({ url: api(`blobs/${digest}`) }, size)) {
          bytes += piece.length;
          if (bytes > size) break;
          hash.update(piece);
          yield piece;
        }
      } catch (error) {
        if (error instanceof RefusedError) throw await refused(error.answer, `the download of ${digest}`);
        throw unreachable(registry, registry, places, error);
      }
      if (bytes !== size || asDigest(hash.digest("hex")) !== digest)
        throw new TbuildError("integrity", `returned different content for ${digest}`, { subject: registry });
    },

    async putManifest(which, data) {
      const headers = { "content-type": manifestType };
      const answer = await ask({ url: api(`manifests/${which}`), method: "PUT", headers, body: data });
      if (answer.status !== 201) throw await refused(answer, `the manifest ${which}`);
      answer.drop();
    },

    async getManifest(which) {
      const headers = { accept: manifestType };
      const answer = await ask({ url: api(`manifests/${which}`), method: "GET", headers });
      const what = referenceText({ ...reference, which });
      if (answer.status === 404) {
        answer.drop();
        return undefined;
      }
      if (!answer.ok) throw await refused(answer, `the manifest ${which}`);
      const data = await limited(registry, answer, largestManifest);
      const digest = digestOf(data);
      const said = isDigest(which) ? which : (answer.header("docker-content-digest") ?? digest);
      if (said !== digest) throw new TbuildError("integrity", "does not match its digest", { subject: what });
      return data;
    },

    async tags() {
      const names: string[] = [];
      let url = api("tags/list");
      // A registry may page its list, and names the next page in a Link header.
      for (let pages = 0; pages < mostPages; pages++) {
        const answer = await ask({ url, method: "GET" });
        if (!answer.ok) {
          answer.drop();
          return { names, lacking: answer.statusLine };
        }
        const page = tagsIn(await limitedText(registry, answer, largestManifest));
        if (!page) return { names, lacking: "its answer is no list of tags" };
        names.push(...page);
        const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/i.exec(answer.header("link") ?? "")?.[1];
        if (next === undefined) return { names };
        if (!URL.canParse(next, url.href))
          return { names, lacking: "its list goes on at what is no address" };
        url = new URL(next, url);
        if (url.origin !== origin.origin) return { names, lacking: `its list goes on at ${url.host}` };
      }
      return { names, lacking: `its list has more than ${mostPages} pages` };
    },
  };
}

const mostPages = 1000;

function tagsIn(text: string): string[] | undefined {
  try {
    const { tags } = JSON.parse(text) as { tags?: unknown };
    // Docker's registry writes `null` for an empty list.
    if (tags === null) return [];
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string" && isTag.test(tag)) : undefined;
  } catch {
    return undefined;
  }
}

const isTag = /^\w[\w.-]{0,127}$/;

export async function limitedText(from: string, answer: Answer, most: number): Promise<string> {
  return Buffer.from(await limited(from, answer, most)).toString("utf8");
}

async function limited(from: string, answer: Answer, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (bytes > most)
      throw new TbuildError("integrity", `the answer exceeds ${most} bytes`, { subject: from });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Describes why `host` did not respond. Other errors stay as they are. */
function unreachable(what: string, host: string, places: TrustPlaces, error: unknown): unknown {
  if (!(error instanceof HttpError)) return error;
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  const code = cause.code ?? "";
  if (code === "EPROTO" || /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code))
    return new TbuildError("environment", "does not support https", {
      subject: host,
      lines: [code],
      cause: error,
      hint: "If it has no TLS, pass --plain-http.",
    });
  const certificate = certificateFault(error.host, places, cause);
  if (certificate) return certificate;
  const elsewhere = error.host === host || what !== host ? "" : `${error.host}: `;
  return new TbuildError("environment", "cannot be reached", {
    subject: what,
    lines: [`${elsewhere}${error.message}`],
    cause: error,
    hint: "Check the name and the port. For a registry without TLS, pass --plain-http.",
  });
}

function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3600)} hours`;
}

/** Only the options that are set, because optional settings are never `undefined`. */
function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]),
  ) as Pick<T, K>;
}
