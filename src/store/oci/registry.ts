import { createHash } from "node:crypto";
import { checkInterrupted, Interrupted, TbuildError } from "../../errors.ts";
import { printable } from "../../host/local.ts";
import { sleep } from "../../host/wait-for.ts";
import type { Digest } from "../store.ts";
import type { Credentials } from "./credentials.ts";
import { isDigest, type Reference, referenceText } from "./reference.ts";

export const manifestType = "application/vnd.oci.image.manifest.v1+json";
const largestManifest = 4 * 2 ** 20;

export interface RegistryOptions {
  /** Without encryption; only when somebody asked for it. */
  readonly plainHttp?: boolean;
  /** Asked once, and only when the registry wants to know who it is. */
  readonly credentials?: () => Promise<Credentials | undefined>;
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
}

export function openRegistry(reference: Reference, options: RegistryOptions = {}): Registry {
  const { registry, repository } = reference;
  const origin = new URL(`${options.plainHttp ? "http" : "https"}://${registry}`);
  const api = (path: string) => new URL(`/v2/${repository}/${path}`, origin);
  let credentials: Promise<Credentials | undefined> | undefined;
  let authorization: string | undefined;
  let scope: string | undefined;

  /** Follows redirects by itself: none may lead to where nothing is encrypted, and no other host gets our password. */
  async function send(request: Question): Promise<Response> {
    let { url, method } = request;
    for (let hops = 0; hops < 5; hops++) {
      checkInterrupted(options.signal);
      if (url.protocol !== "https:" && !(options.plainHttp && url.protocol === "http:"))
        throw new TbuildError("environment", `${registry}: leads to ${url.protocol}//${url.host}`, {
          hint: "Only https is spoken, unless you say --plain-http.",
        });
      const response = await fetch(url, {
        method,
        redirect: "manual",
        headers: {
          ...request.headers,
          ...(authorization !== undefined && url.origin === origin.origin && { authorization }),
        },
        ...(request.body && { body: request.body }),
        ...(options.signal && { signal: options.signal }),
      });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
      await response.body?.cancel();
      url = new URL(location, url);
    }
    throw new TbuildError("environment", `${registry}: leads in a circle`);
  }

  /** Tries again what failed on the way, and once with a login where one is wanted. */
  async function ask(request: Question): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      let response: Response;
      try {
        response = await send(request);
        if (response.status === 401 && (await login(response))) response = await send(request);
      } catch (error) {
        if (options.signal?.aborted) throw new Interrupted();
        if (error instanceof TbuildError) throw error;
        if (attempt < 4) {
          await sleep(250 * 2 ** attempt, options.signal);
          continue;
        }
        throw unreachable(registry, error);
      }
      if (response.status < 500 || attempt === 4) return response;
      await response.body?.cancel();
      await sleep(250 * 2 ** attempt, options.signal);
    }
  }

  async function login(response: Response): Promise<boolean> {
    await response.body?.cancel();
    const challenge = response.headers.get("www-authenticate") ?? "";
    credentials ??= options.credentials?.() ?? Promise.resolve(undefined);
    const known = await credentials;
    const basic = known && `Basic ${Buffer.from(`${known.user}:${known.password}`).toString("base64")}`;
    if (/^basic\b/i.test(challenge)) {
      // The same again would be refused again.
      if (basic === undefined || basic === authorization) return false;
      authorization = basic;
      return true;
    }
    if (!/^bearer\b/i.test(challenge)) return false;
    const said = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    );
    if (said.realm === undefined || !URL.canParse(said.realm)) return false;
    const url = new URL(said.realm);
    if (url.protocol !== "https:" && !options.plainHttp)
      throw new TbuildError("environment", `${registry}: gives its tokens out unencrypted, at ${url.host}`);
    if (said.service !== undefined) url.searchParams.set("service", said.service);
    // A token to read must not take the place of one to write, which another request has asked for.
    const asked = said.scope ?? `repository:${repository}:pull,push`;
    const wanted: string = scope?.includes("push") ? scope : asked;
    scope = wanted;
    url.searchParams.set("scope", wanted);
    const answer = await fetch(url, {
      redirect: "error",
      ...(basic !== undefined && { headers: { authorization: basic } }),
      ...(options.signal && { signal: options.signal }),
    });
    if (!answer.ok) return (await answer.body?.cancel()) ?? false;
    const { token, access_token } = JSON.parse(await limitedText(answer, 2 ** 20)) as Record<string, unknown>;
    const bearer = token ?? access_token;
    if (typeof bearer !== "string") return false;
    authorization = `Bearer ${bearer}`;
    return true;
  }

  async function refused(response: Response, what: string): Promise<TbuildError> {
    const said = await limitedText(response, 2 ** 16).catch(() => "");
    const lines = [
      `${response.status} ${response.statusText}`,
      ...printable(said).slice(0, 500).split("\n", 3),
    ];
    if (response.status === 401 || response.status === 403)
      return new TbuildError("environment", `${registry}: does not let us in for ${what}`, {
        lines,
        hint: `Log in with \`docker login ${registry}\` or \`podman login --authfile ~/.docker/config.json ${registry}\`.`,
      });
    return new TbuildError("environment", `${registry}: refused ${what}`, { lines: lines.filter(Boolean) });
  }

  return {
    async hasBlob(digest) {
      const response = await ask({ url: api(`blobs/${digest}`), method: "HEAD" });
      if (response.status === 404) return false;
      if (!response.ok) throw await refused(response, `a look at ${digest}`);
      return true;
    },

    async putBlob(digest, data) {
      const begun = await ask({ url: api("blobs/uploads/"), method: "POST" });
      const location = begun.headers.get("location");
      if (begun.status !== 202 || location === null) throw await refused(begun, "an upload");
      await begun.body?.cancel();
      const url = new URL(location, api("blobs/uploads/"));
      url.searchParams.set("digest", digest);
      const headers = { "content-type": "application/octet-stream" };
      const done = await ask({ url, method: "PUT", headers, body: data });
      if (done.status !== 201) throw await refused(done, `the upload of ${digest}`);
      await done.body?.cancel();
    },

    async *readBlob(digest, size) {
      const response = await ask({ url: api(`blobs/${digest}`), method: "GET" });
      if (!response.ok || !response.body) throw await refused(response, `the download of ${digest}`);
      const hash = createHash("sha256");
      let bytes = 0;
      try {
        for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
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
      const response = await ask({ url: api(`manifests/${which}`), method: "PUT", headers, body: data });
      if (response.status !== 201) throw await refused(response, `the manifest ${which}`);
      await response.body?.cancel();
    },

    async getManifest(which) {
      const headers = { accept: manifestType };
      const response = await ask({ url: api(`manifests/${which}`), method: "GET", headers });
      const what = referenceText({ ...reference, which });
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) throw await refused(response, `the manifest ${which}`);
      const data = await limited(response, largestManifest);
      const digest = `sha256:${createHash("sha256").update(data).digest("hex")}`;
      const said = isDigest(which) ? which : (response.headers.get("docker-content-digest") ?? digest);
      if (said !== digest) throw new TbuildError("integrity", `${what}: is not what its digest says`);
      return data;
    },
  };
}

interface Question {
  readonly url: URL;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

async function limitedText(response: Response, most: number): Promise<string> {
  return Buffer.from(await limited(response, most)).toString("utf8");
}

async function limited(response: Response, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes > most)
      throw new TbuildError(
        "integrity",
        `${new URL(response.url).host}: answers with more than ${most} bytes`,
      );
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function unreachable(registry: string, error: unknown): TbuildError {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  const why = cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
  return new TbuildError("environment", `${registry}: cannot be reached`, {
    lines: [why],
    cause: error,
    hint: "A registry without encryption is only spoken to with --plain-http.",
  });
}
