import { createHash } from "node:crypto";
import { checkInterrupted, Interrupted, TbuildError } from "../../../errors.ts";
import { printable } from "../../../host/local.ts";
import { sleep } from "../../../host/wait-for.ts";
import type { Digest } from "../../../model/digest.ts";
import { compareVersions } from "../../../model/version.ts";
import { certificateFault, type TrustPlaces, trust } from "./certificates.ts";
import { apiHost, type Credentials } from "./credentials.ts";
import { type Answer, httpClient, type Question } from "./http.ts";
import { isDigest, type Reference, referenceText } from "./reference.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
const largestManifest = 4 * 2 ** 20;

export interface RegistryOptions {
  /** Without encryption; only when somebody asked for it. */
  readonly plainHttp?: boolean;
  /** Asked once, and only when the registry wants to know who it is. */
  readonly credentials?: () => Promise<Credentials | undefined>;
  /** Where they are looked for, in words. */
  readonly lookedIn?: string;
  /** Whose certificates count, beside those that Node brings. */
  readonly trust?: TrustPlaces;
  readonly signal?: AbortSignal;
}

/** One repository of a registry, by the OCI distribution API. */
export interface Registry {
  hasBlob(digest: Digest): Promise<boolean>;
  putBlob(digest: Digest, data: Uint8Array): Promise<void>;
  /** In pieces as they come; what is longer than `size` or has another digest is refused at the end. */
  readBlob(digest: Digest, size: number): AsyncIterable<Uint8Array>;
  putManifest(which: string, data: Uint8Array): Promise<void>;
  /** `undefined` when there is none. */
  getManifest(which: string): Promise<Uint8Array | undefined>;
  /** The versions that are there; a registry need not say, and then there is none. */
  tags(): Promise<readonly string[]>;
}

export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  const { registry, repository } = reference;
  const origin = new URL(`${options.plainHttp ? "http" : "https"}://${apiHost(registry)}`);
  const api = (path: string) => new URL(`/v2/${repository}/${path}`, origin);
  let credentials: Promise<Credentials | undefined> | undefined;
  let authorization: string | undefined;
  let scope: string | undefined;

  const { folders = [], bundles = [] } = options.trust ?? {};
  const places = { folders, bundles };
  const client = httpClient(trust(places, origin.host), options.signal);

  /** Follows redirects by itself: none may lead to where nothing is encrypted, and no other host gets our password. */
  async function send(question: Question): Promise<Answer> {
    let { url } = question;
    for (let hops = 0; hops < 5; hops++) {
      checkInterrupted(options.signal);
      if (url.protocol !== "https:" && !(options.plainHttp && url.protocol === "http:"))
        throw new TbuildError("environment", `${registry}: leads to ${url.protocol}//${url.host}`, {
          hint: "Only https is spoken, unless you say --plain-http.",
        });
      const answer = await client.ask({
        ...question,
        url,
        headers: {
          ...question.headers,
          ...(authorization !== undefined && url.origin === origin.origin && { authorization }),
        },
      });
      const location = answer.header("location");
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.drop();
      url = new URL(location, url);
    }
    throw new TbuildError("environment", `${registry}: leads in a circle`);
  }

  /** Tries again what failed on the way, and once with a login where one is wanted. */
  async function ask(question: Question): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      let answer: Answer;
      try {
        answer = await send(question);
        if (answer.status === 401 && (await login(answer))) answer = await send(question);
      } catch (error) {
        if (options.signal?.aborted) throw new Interrupted();
        if (error instanceof TbuildError) throw error;
        const final = finalFault(registry, places, error as NodeJS.ErrnoException);
        if (!final && attempt < 4) {
          await sleep(250 * 2 ** attempt, options.signal);
          continue;
        }
        throw final ?? unreachable(registry, error);
      }
      if (answer.status < 500 || attempt === 4) return answer;
      answer.drop();
      await sleep(250 * 2 ** attempt, options.signal);
    }
  }

  async function login(answer: Answer): Promise<boolean> {
    answer.drop();
    const challenge = answer.header("www-authenticate") ?? "";
    credentials ??= options.credentials?.() ?? Promise.resolve(undefined);
    const known = await credentials;
    const basic = known && basicOf(known);
    if (/^basic\b/i.test(challenge)) {
      // The same again would be refused again.
      if (basic === undefined || basic === authorization) return false;
      authorization = basic;
      return true;
    }
    const said = /^bearer\b/i.test(challenge) ? challengeOf(challenge) : {};
    if (said.realm === undefined || !URL.canParse(said.realm)) return false;
    const url = new URL(said.realm);
    if (url.protocol !== "https:" && !options.plainHttp)
      throw new TbuildError("environment", `${registry}: gives its tokens out unencrypted, at ${url.host}`);
    // A token to read must not take the place of one to write, which another request has asked for.
    const asked = said.scope ?? `repository:${repository}:pull,push`;
    const wanted: string = scope?.includes("push") ? scope : asked;
    scope = wanted;
    const given = await client.ask(tokenQuestion(url, said.service, wanted, known)).catch((error) => {
      if (options.signal?.aborted) throw new Interrupted();
      const what = `${url.host}, which gives the tokens of ${registry}`;
      throw finalFault(url.host, places, error) ?? unreachable(what, error);
    });
    if (given.status === 401 || given.status === 403) return given.drop() ?? false;
    const token = given.ok ? tokenIn(await limitedText(url.host, given, 2 ** 20)) : given.drop();
    if (token === undefined)
      throw new TbuildError("environment", `${url.host}: gives no token for ${registry}`, {
        lines: [`${given.status} ${given.statusText}`],
      });
    authorization = `Bearer ${token}`;
    return true;
  }

  async function refused(answer: Answer, what: string): Promise<TbuildError> {
    const said = await limitedText(registry, answer, 2 ** 16).catch(() => "");
    const lines = [
      `${answer.status} ${answer.statusText}`,
      ...printable(said).slice(0, 500).split("\n", 3),
    ].filter((line) => line.trim() !== "");
    if (said.includes("HTTP request to an HTTPS server"))
      return new TbuildError("environment", `${registry}: speaks https only`, {
        lines,
        hint: "Leave --plain-http out.",
      });
    if (answer.status === 401 || answer.status === 403) {
      const known = await credentials;
      const { lookedIn } = options;
      return new TbuildError("environment", `${registry}: does not let us in for ${what}`, {
        lines: [
          ...lines,
          ...(known ? [`asked as ${printable(known.user)}, whose password came from ${known.from}`] : []),
          ...(!known && lookedIn !== undefined ? [`no password for ${registry} in ${lookedIn}`] : []),
        ],
        hint: known
          ? `${answer.status === 401 ? "The password is wrong or has ended" : "This user may not do that"}; another login: \`docker login ${registry}\`.`
          : `Log in with \`docker login ${registry}\` or \`podman login --authfile ~/.docker/config.json ${registry}\`.`,
      });
    }
    return new TbuildError("environment", `${registry}: refused ${what}`, { lines });
  }

  return {
    async hasBlob(digest) {
      const answer = await ask({ url: api(`blobs/${digest}`), method: "HEAD" });
      if (!answer.ok && answer.status !== 404) throw await refused(answer, `a look at ${digest}`);
      answer.drop();
      return answer.ok;
    },

    async putBlob(digest, data) {
      const begun = await ask({ url: api("blobs/uploads/"), method: "POST" });
      const location = begun.header("location");
      if (begun.status !== 202 || location === undefined) throw await refused(begun, "an upload");
      begun.drop();
      const url = new URL(location, api("blobs/uploads/"));
      url.searchParams.set("digest", digest);
      const headers = { "content-type": "application/octet-stream" };
      const done = await ask({ url, method: "PUT", headers, body: data });
      if (done.status !== 201) throw await refused(done, `the upload of ${digest}`);
      done.drop();
    },

    async *readBlob(digest, size) {
      const answer = await ask({ url: api(`blobs/${digest}`), method: "GET" });
      if (!answer.ok) throw await refused(answer, `the download of ${digest}`);
      const hash = createHash("sha256");
      let bytes = 0;
      try {
        for await (const piece of answer.body) {
          bytes += piece.length;
          if (bytes > size) break;
          hash.update(piece);
          yield piece;
        }
      } catch (error) {
        if (options.signal?.aborted) throw new Interrupted();
        throw unreachable(registry, error);
      }
      if (bytes !== size || `sha256:${hash.digest("hex")}` !== digest)
        throw new TbuildError("integrity", `${registry}: gave something else for ${digest}`);
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
      const digest = `sha256:${createHash("sha256").update(data).digest("hex")}`;
      const said = isDigest(which) ? which : (answer.header("docker-content-digest") ?? digest);
      if (said !== digest) throw new TbuildError("integrity", `${what}: is not what its digest says`);
      return data;
    },

    async tags() {
      const answer = await ask({ url: api("tags/list"), method: "GET" });
      if (!answer.ok) return answer.drop() ?? [];
      return tagsIn(await limitedText(registry, answer, largestManifest));
    },
  };
}

function challengeOf(challenge: string): Record<string, string | undefined> {
  return Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
  );
}

/** As the registry's specification of tokens has it: with a name and password, or by OAuth 2 with what got us a token before. */
function tokenQuestion(
  realm: URL,
  service: string | undefined,
  scope: string,
  known: Credentials | undefined,
): Question {
  const asked = { ...(service !== undefined && { service }), scope };
  if (known?.isRefreshToken) {
    const grant = { grant_type: "refresh_token", client_id: "tbuild", refresh_token: known.password };
    return {
      url: realm,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(new URLSearchParams({ ...asked, ...grant }).toString()),
    };
  }
  const url = new URL(realm);
  for (const [key, value] of Object.entries(asked)) url.searchParams.set(key, value);
  return { url, method: "GET", headers: { ...(known && { authorization: basicOf(known) }) } };
}

function basicOf({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function tagsIn(text: string): string[] {
  try {
    const { tags } = JSON.parse(text) as { tags?: unknown };
    return Array.isArray(tags) ? tags.filter((tag) => /^\d+\.\d+\.\d+$/.test(tag)).sort(compareVersions) : [];
  } catch {
    return [];
  }
}

function tokenIn(text: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(text) as Record<string, unknown>;
    const bearer = token ?? access_token;
    return typeof bearer === "string" ? bearer : undefined;
  } catch {
    return undefined;
  }
}

async function limitedText(from: string, answer: Answer, most: number): Promise<string> {
  return Buffer.from(await limited(from, answer, most)).toString("utf8");
}

async function limited(from: string, answer: Answer, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (bytes > most) throw new TbuildError("integrity", `${from}: answers with more than ${most} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** What another try would not mend. */
function finalFault(
  registry: string,
  places: TrustPlaces,
  error: NodeJS.ErrnoException,
): TbuildError | undefined {
  const code = error.code ?? "";
  if (code === "EPROTO" || /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code))
    return new TbuildError("environment", `${registry}: does not speak https`, {
      lines: [code],
      cause: error,
      hint: "If it is meant to be without encryption, say --plain-http.",
    });
  return certificateFault(registry, places, error);
}

function unreachable(registry: string, error: unknown): TbuildError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new TbuildError("environment", `${registry}: cannot be reached`, {
    lines: [message || code || String(error)],
    cause: error,
    hint: "Is the name right, and the port? A registry without encryption is only spoken to with --plain-http.",
  });
}
