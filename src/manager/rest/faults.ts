import { TbuildError } from "../../errors.ts";
import { CertificateError, HttpError } from "../../io/http.ts";
import { saysLocked } from "../locked.ts";
import type { RestLogin } from "./login.ts";

/** Errors between tbuild and a Manager. `shown` is the request, without its body. */
export interface RestFaults {
  badLogin(): TbuildError;
  unreachable(error: unknown, isSent: boolean, shown: string): unknown;
  /** Its answer is not JSON. */
  unreadable(isRead: boolean, shown: string): TbuildError;
  tooLarge(mostBytes: number): TbuildError;
  refused(shown: string, lines: readonly string[]): TbuildError;
}

export function faultsOf(name: string, login: RestLogin): RestFaults {
  return {
    badLogin: () =>
      new TbuildError("environment", `refuses the login of ${login.user}`, {
        subject: name,
        code: "not-trusted",
        hint: "Check manager.user and manager.password of the site.",
      }),

    unreachable(error, isSent, shown) {
      if (error instanceof CertificateError) return untrusted(name, login, error.shown);
      if (!(error instanceof HttpError)) return error;
      const isRefused = (error.cause as { code?: unknown } | undefined)?.code === "ECONNREFUSED";
      const isUnknown = isSent && !isRefused && !error.isFinal;
      return new TbuildError("environment", `${error.message}: ${shown}`, {
        subject: name,
        cause: error,
        code: isUnknown ? "outcome-unknown" : "no-connection",
        hint: isUnknown
          ? "Whether the request was run is unknown."
          : "Is the Manager running? Is manager.port the port of its web service?",
      });
    },

    unreadable: (isRead, shown) =>
      new TbuildError("environment", `its answer cannot be read: ${shown}`, {
        subject: name,
        code: isRead ? "failed" : "outcome-unknown",
        hint: "Is this port the Manager's web service? It is 7002 on most Managers.",
      }),

    tooLarge: (mostBytes) =>
      new TbuildError("integrity", `sent an answer of more than ${mostBytes / 2 ** 20} MiB`, {
        subject: name,
      }),

    refused: (shown, lines) =>
      new TbuildError("environment", `refused: ${shown}`, {
        subject: name,
        code: lines.some(saysLocked) ? "locked" : "failed",
        lines,
        hint: "The Manager's web interface shows the details of the job.",
      }),
  };
}

function untrusted(name: string, login: RestLogin, shown: string): TbuildError {
  const isNew = login.certificate === undefined;
  return new TbuildError(
    "environment",
    isNew
      ? "its certificate is not known yet"
      : "its certificate is not the trusted one; someone may intercept the connection",
    {
      subject: name,
      code: "not-trusted",
      lines: [...(isNew ? [] : [`trusted: ${login.certificate}`]), `${isNew ? "" : "shown:   "}${shown}`],
      hint: isNew
        ? "Compare it on the Manager; then run `tbuild manager trust`, or set manager.certificate in the site."
        : "If the certificate was renewed, run `tbuild manager trust`, or change manager.certificate in the site.",
    },
  );
}
