import { createHash } from "node:crypto";
import { checkInterrupted, TbuildError } from "../../../errors.ts";
import {
  type Answer,
  type ClientOptions,
  httpClient,
  type Question,
  RefusedError,
} from "../../../io/http.ts";
import { asDigest, type Digest, digestOf } from "../../../model/digest.ts";
import { type TrustPlaces, trust } from "./certificates.ts";
import { apiHost, type Credentials } from "./credentials.ts";
import { refusedError, unreachable } from "./faults.ts";
import { limited } from "./limited-body.ts";
import { loginTo, wantsLogin } from "./login.ts";
import { isDigest, type Reference, referenceText } from "./reference.ts";
import { allTags, type Tags } from "./tags.ts";
import { mount, upload } from "./upload.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
const largestManifest = 4 * 2 ** 20;

export interface RegistryOptions extends Pick<ClientOptions, "proxyFor" | "onWait" | "limits"> {
  /** Use plain http. Only on request. */
  readonly plainHttp?: boolean;
  /** Called once, and only if the registry asks for a login. */
  readonly credentials?: () => Promise<Credentials | undefined>;
  /** Describes where tbuild looks for credentials. */
  readonly lookedIn?: string;
  /** Trusted certificates, besides Node's own. */
  readonly trust?: TrustPlaces;
  readonly signal?: AbortSignal;
}

/** One repository of a registry, through the OCI distribution API. */
export interface Registry {
  hasBlob(digest: Digest): Promise<boolean>;
  putBlob(digest: Digest, data: Uint8Array): Promise<void>;
  /** Mounts a blob from another repository. False if that was not possible. */
  mountBlob(digest: Digest, from: string): Promise<boolean>;
  /** Streams a blob. Throws at the end if it is longer than `size` or has another digest. */
  readBlob(digest: Digest, size: number): AsyncIterable<Uint8Array>;
  putManifest(which: string, data: Uint8Array): Promise<void>;
  /** `undefined` if there is none. */
  getManifest(which: string): Promise<Uint8Array | undefined>;
  tags(): Promise<Tags>;
}

/** Opens the registry of a reference, with the credentials of this user. */
export type RegistryOpener = (
  reference: Reference,
  options: Pick<RegistryOptions, "plainHttp" | "signal" | "onWait">,
) => Promise<Registry>;

export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  const { registry, repository } = reference;
  const origin = new URL(`${options.plainHttp ? "http" : "https"}://${apiHost(registry)}`);
  const api = (path: string) => new URL(`/v2/${repository}/${path}`, origin);
  const { folders = [], bundles = [] } = options.trust ?? {};
  const places = { folders, bundles };
  const { client, login } = clientsOf(registry, repository, origin, places, options);
  const isAllowed = allowedBy(options);

  const unreached = (error: unknown): never => {
    throw unreachable(registry, registry, places, error);
  };
  const refused = (answer: Answer, what: string) =>
    refusedError({ registry, login, lookedIn: options.lookedIn }, answer, what);

  async function ask(question: Question): Promise<Answer> {
    return await client.ask(question).catch(unreached);
  }

  async function hasBlob(digest: Digest): Promise<boolean> {
    const answer = await ask({ url: api(`blobs/${digest}`), method: "HEAD" });
    if (!answer.ok && answer.status !== 404) throw await refused(answer, `the check for ${digest}`);
    answer.drop();
    return answer.ok;
  }

  const { signal } = options;
  const uploads = { registry, signal, api, isAllowed, send: client.ask, hasBlob, refused };

  return {
    hasBlob,

    async putBlob(digest, data) {
      await upload(uploads, digest, data).catch(unreached);
    },

    async mountBlob(digest, from) {
      return await mount(uploads, digest, from).catch(unreached);
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
        unreached(error);
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

    tags: () => allTags(registry, api("tags/list"), (url) => ask({ url, method: "GET" })),
  };
}

function allowedBy({ plainHttp }: RegistryOptions) {
  return ({ protocol }: URL) => protocol === "https:" || plainHttp === true;
}

/** The client of a registry, and the login that it uses. */
function clientsOf(
  registry: string,
  repository: string,
  origin: URL,
  places: Required<TrustPlaces>,
  options: RegistryOptions,
) {
  const contextOf = trust(places, origin.host);
  const common = { contextOf, signal: options.signal, ...pick(options, ["proxyFor", "onWait", "limits"]) };
  const isAllowed = allowedBy(options);

  // A separate client: headers for the registry must never reach its token server.
  const tokens = httpClient({
    ...common,
    admit(url) {
      if (isAllowed(url)) return {};
      throw new TbuildError("environment", `sends its tokens unencrypted, from ${url.host}`, {
        subject: registry,
        hint: "Nothing was sent there. Ask the operator of the registry for an https address of its token server.",
      });
    },
  });
  const login = loginTo(registry, repository, tokens, options.credentials, (host, error) =>
    unreachable(`${host}, the token server of ${registry}`, host, places, error),
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
  return { client, login };
}

/** Only the options that are set, because optional settings are never `undefined`. */
function pick<T, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(
    keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]),
  ) as Pick<T, K>;
}
