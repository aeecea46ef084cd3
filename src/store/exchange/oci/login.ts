import { Interrupted, type TbuildError } from "../../../errors.ts";
import { type Challenge, challengesIn } from "../../../io/challenges.ts";
import type { Answer, Client, Question } from "../../../io/http.ts";
import type { Credentials } from "./credentials.ts";
import { loginRefused, type NoToken, type Sent } from "./login-refused.ts";

/** Logs in, in the ways that a registry offers. */
export interface Login {
  /** The headers of each request to the registry. */
  headers(): Readonly<Record<string, string>>;
  /** Answers a refusal, after `times` earlier answers to the same request; false if there is nothing new to try. */
  answer(answer: Answer, times: number): Promise<boolean>;
  /** Explains a 401 or 403, depending on what was sent. `lines` are the registry's own. */
  refusal(answer: Answer, what: string, lines: readonly string[], lookedIn?: string): Promise<TbuildError>;
}

const largestToken = 2 ** 20;

export function loginTo(
  registry: string,
  repository: string,
  tokens: Client,
  ask: (() => Promise<Credentials | undefined>) | undefined,
  unreachable: (host: string, error: unknown) => unknown,
): Login {
  let credentials: Promise<Credentials | undefined> | undefined;
  const known = () => {
    credentials ??= ask?.() ?? Promise.resolve(undefined);
    return credentials;
  };
  let sent: Sent;
  let scopes: Scopes = new Map();
  let noToken: NoToken | undefined;

  /** Sends the password itself, if Basic is offered. */
  function byPassword(who: Credentials): boolean {
    const value = basicOf(who);
    // Repeating it would be refused again.
    if (sent?.value === value) return false;
    sent = { kind: "password", value };
    return true;
  }

  async function byToken(
    answer: Answer,
    { parameters }: Challenge,
    who: Credentials | undefined,
  ): Promise<boolean> {
    const realm = realmOf(answer, parameters.realm);
    if (!realm) return false;
    // A read token must not replace a write token, which another request has obtained.
    const before = scopes;
    scopes = joined(scopes, scopesIn(parameters.scope ?? `repository:${repository}:pull,push`));
    noToken = undefined;
    const given = await tokens.ask(tokenQuestion(realm, parameters.service, scopes, who)).catch((error) => {
      throw unreachable(realm.host, error);
    });
    const value = given.ok ? tokenIn(await textOf(given)) : undefined;
    if (value !== undefined) {
      sent = { kind: "token", value: `Bearer ${value}`, host: realm.host };
      return true;
    }
    given.drop();
    // The additional scope may be the reason.
    scopes = before;
    noToken = { host: realm.host, line: given.statusLine, isRefusal: [401, 403].includes(given.status) };
    return false;
  }

  return {
    headers: () => (sent === undefined ? {} : { authorization: sent.value }),

    async answer(answer, times) {
      // Another request has logged in in the meantime.
      if (sent && answer.authorization !== sent.value) return true;
      if (times > 0 && sent?.kind === "password") return false;
      const offered = challengesIn(answer.headers("www-authenticate"));
      const who = await known();
      const bearer = offered.find(
        ({ scheme, parameters }) => scheme === "bearer" && realmOf(answer, parameters.realm),
      );
      // A new token that is refused will always be refused. One that worked before has expired, or does not
      // cover this.
      const isNew = times > 0 && sent?.kind === "token";
      if (bearer && !isNew && (await byToken(answer, bearer, who))) return true;
      const isBasic = offered.some(({ scheme }) => scheme === "basic");
      return isBasic && who !== undefined && !who.isRefreshToken && byPassword(who);
    },

    async refusal(answer, what, lines, lookedIn) {
      const who = await known().catch((error) => {
        if (error instanceof Interrupted) throw error;
        return undefined;
      });
      return loginRefused(answer, { registry, what, lines, lookedIn, who, sent, noToken });
    },
  };
}

/** True if another login may help: none was sent, it has expired, or its token does not cover this. */
export function wantsLogin(answer: Answer): boolean {
  if (answer.status === 401) return true;
  return (
    answer.status === 403 &&
    challengesIn(answer.headers("www-authenticate")).some(
      ({ scheme, parameters }) => scheme === "bearer" && parameters.error === "insufficient_scope",
    )
  );
}

function realmOf(answer: Answer, realm: string | undefined): URL | undefined {
  const text = realm?.startsWith("/") ? new URL(realm, answer.url).href : (realm ?? "");
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}

/** `repository:team/ol6-grid`, and the requested actions. */
type Scopes = ReadonlyMap<string, ReadonlySet<string>>;

function scopesIn(text: string): Scopes {
  const parts = text.split(" ").map((part) => /^(.+):([^:]*)$/.exec(part));
  return new Map(
    parts.flatMap((part) => (part ? [[part[1] ?? "", new Set((part[2] ?? "").split(","))]] : [])),
  );
}

function joined(one: Scopes, other: Scopes): Scopes {
  const names = new Set([...one.keys(), ...other.keys()]);
  return new Map(
    [...names].map((name) => [name, new Set([...(one.get(name) ?? []), ...(other.get(name) ?? [])])]),
  );
}

/**
 * As in the registry token specification: with a name and password, or by OAuth 2 with an earlier refresh
 * token.
 */
function tokenQuestion(
  realm: URL,
  service: string | undefined,
  scopes: Scopes,
  who: Credentials | undefined,
): Question {
  const asked = service === undefined ? {} : { service };
  const wanted = [...scopes].map(([what, actions]) => `${what}:${[...actions].join(",")}`);
  if (who?.isRefreshToken) {
    const scope = wanted.join(" ");
    const grant = { scope, grant_type: "refresh_token", client_id: "tbuild", refresh_token: who.password };
    return {
      url: realm,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: Buffer.from(new URLSearchParams({ ...asked, ...grant }).toString()),
      isSecret: true,
    };
  }
  const url = new URL(realm);
  for (const [key, value] of Object.entries(asked)) url.searchParams.set(key, value);
  for (const scope of wanted) url.searchParams.append("scope", scope);
  return { url, method: "GET", headers: who ? { authorization: basicOf(who) } : {} };
}

function basicOf({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

async function textOf(answer: Answer): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (bytes > largestToken) return "";
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function tokenIn(text: string): string | undefined {
  try {
    const { token, access_token } = JSON.parse(text) as Record<string, unknown>;
    const bearer = token ?? access_token;
    // It becomes part of a header.
    return typeof bearer === "string" && /^[\x21-\x7e]+$/.test(bearer) ? bearer : undefined;
  } catch {
    return undefined;
  }
}
