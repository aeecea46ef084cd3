import { TbuildError } from "../../../errors.ts";
import { printable } from "../../../io/escape.ts";
import { type Answer, HttpError } from "../../../io/http.ts";
import { retryAfterMs } from "../../../io/retry.ts";
import { Stalled } from "../../../io/stall-watch.ts";
import { certificateFault, type TrustPlaces } from "./certificates.ts";
import { limitedText } from "./limited-body.ts";
import type { Login } from "./login.ts";

/** The server, and the user. */
interface Asked {
  readonly registry: string;
  readonly login: Login;
  readonly lookedIn: string | undefined;
}

/** The error for an answer without success to a request for `what`. */
export async function refusedError(
  { registry, login, lookedIn }: Asked,
  answer: Answer,
  what: string,
): Promise<TbuildError> {
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
  if (answer.status === 401 || answer.status === 403) return login.refusal(answer, what, lines, lookedIn);
  if (answer.status === 429 || answer.status === 503) {
    const wait = retryAfterMs(answer.header("retry-after"), Date.now());
    return new TbuildError("environment", `is too busy for ${what}`, {
      subject: registry,
      lines,
      hint: `Try again ${wait === undefined ? "later" : `in ${inWords(wait)}, as it asks`}.`,
    });
  }
  return new TbuildError("environment", `refused ${what}`, { subject: registry, lines });
}

/** Describes why `host` did not respond. Other errors stay as they are. */
export function unreachable(what: string, host: string, places: TrustPlaces, error: unknown): unknown {
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
  const [lines, more] = [[`${elsewhere}${error.message}`], { subject: what, cause: error }] as const;
  if (error.isAnswered)
    return new TbuildError("environment", "sent no usable answer", {
      ...more,
      lines,
      hint: "The server was reached. Try again later. If it fails again, the registry or a proxy before it has an error.",
    });
  return new TbuildError("environment", cause instanceof Stalled ? "does not answer" : "cannot be reached", {
    ...more,
    lines,
    hint: "Check the name and the port. For a registry without TLS, pass --plain-http.",
  });
}

function inWords(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3600)} hours`;
}
