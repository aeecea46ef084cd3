import { TbuildError } from "../../../errors.ts";
import { challengesIn } from "../../../io/challenges.ts";
import { printable } from "../../../io/escape.ts";
import type { Answer } from "../../../io/http.ts";
import type { Credentials } from "./credentials.ts";

/** What was sent with the last request: nothing, a password, or a token from `host`. */
export type Sent =
  | undefined
  | { readonly kind: "password"; readonly value: string }
  | { readonly kind: "token"; readonly value: string; readonly host: string };

/** The token server's answer if it sent no token. */
export interface NoToken {
  readonly host: string;
  readonly line: string;
  readonly isRefusal: boolean;
}

/** A request that was refused. `lines` are the registry's own. */
export interface Attempt {
  readonly registry: string;
  readonly what: string;
  readonly lines: readonly string[];
  readonly lookedIn: string | undefined;
  readonly who: Credentials | undefined;
  readonly sent: Sent;
  readonly noToken: NoToken | undefined;
}

/** Explains a 401 or 403, depending on what was sent. */
export function loginRefused(
  answer: Answer,
  { registry, what, lines, lookedIn, who, sent, noToken }: Attempt,
): TbuildError {
  const offered = challengesIn(answer.headers("www-authenticate"));
  const schemes = [...new Set(offered.map(({ scheme }) => scheme))];
  const loginHint = `Log in with \`docker login ${registry}\` or \`podman login --authfile ~/.docker/config.json ${registry}\`.`;
  const asked = who && `asked as ${printable(who.user)}, whose password came from ${who.from}`;
  const none = lookedIn === undefined ? [] : [`no password for ${registry} in ${lookedIn}`];
  const fault = (why: string, hint: string, more: readonly string[]) =>
    new TbuildError("environment", `denies access for ${what}: ${why}`, {
      subject: registry,
      lines: [...lines, ...more],
      hint,
    });
  const asWho = asked === undefined ? none : [asked];

  if (answer.status === 403) {
    if (sent === undefined)
      return fault("it refuses without asking for a login", `You are not logged in. ${loginHint}`, [
        "no user name and no password were sent",
      ]);
    return fault(
      who ? `${printable(who.user)} has no permission for that` : "login required",
      who
        ? `Ask its operator for permission, or use another login: \`docker login ${registry}\`.`
        : loginHint,
      asWho,
    );
  }
  if (schemes.length > 0 && !schemes.some((scheme) => scheme === "basic" || scheme === "bearer"))
    return fault(
      `it asks for ${schemes.map(named).join(" or ")}, which tbuild does not support`,
      "tbuild logs in by Basic and Bearer. Ask its operator for one of them.",
      [],
    );
  if (noToken)
    return fault(
      noToken.isRefusal
        ? who
          ? `its token server, ${noToken.host}, does not accept the login of ${printable(who.user)}`
          : `its token server, ${noToken.host}, requires a login`
        : `its token server, ${noToken.host}, sent no token`,
      who && noToken.isRefusal
        ? `Log in again: \`docker login ${registry}\`.`
        : noToken.isRefusal
          ? loginHint
          : `Ask the operator of ${noToken.host}.`,
      [`${noToken.host}: ${noToken.line}`, ...asWho],
    );
  if (sent?.kind === "token")
    return fault(
      `it does not accept the token from ${sent.host}`,
      who
        ? `The login itself was accepted. ${printable(who.user)} may lack permission, or the registry does not trust ${sent.host}.`
        : loginHint,
      asWho,
    );
  if (sent?.kind === "password")
    return fault(
      "it does not accept the user name and password",
      `They are wrong or have expired. Log in again: \`docker login ${registry}\`.`,
      asWho,
    );
  if (schemes.length === 0)
    return fault(
      "it requires a login, but does not say which kind",
      "Its answer has no readable WWW-Authenticate header. Ask its operator.",
      ["no user name and no password were sent"],
    );
  if (who?.isRefreshToken)
    return fault(
      "it requires a password, but only a token is available",
      `Log in again: \`docker login ${registry}\`.`,
      [`the token came from ${who.from}`],
    );
  if (who)
    return fault(
      "it offers no login that tbuild can use",
      "Its WWW-Authenticate header has no usable address for tokens. Ask its operator.",
      [],
    );
  return fault("it requires a login", loginHint, none);
}

const writtenSo: Readonly<Record<string, string>> = {
  negotiate: "Negotiate",
  ntlm: "NTLM",
  digest: "Digest",
};

function named(scheme: string): string {
  return writtenSo[scheme] ?? printable(scheme).slice(0, 40);
}
