import { isFinal } from "./http-words.ts";

export interface Question {
  readonly url: URL;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /**
   * Sent once: not repeated after a lost connection or a busy server, for requests that must not be repeated.
   */
  readonly isOnce?: boolean;
  /** The body contains a secret. No redirect takes it to another server. */
  readonly isSecret?: boolean;
}

export interface Answer {
  readonly status: number;
  /** `404 Not Found`. */
  readonly statusLine: string;
  readonly ok: boolean;
  /** The final URL, after all redirects. */
  readonly url: URL;
  /** The Authorization header that was sent to it. */
  readonly authorization: string | undefined;
  /** The first header with this name. */
  header(name: string): string | undefined;
  /** All headers with this name. */
  headers(name: string): readonly string[];
  readonly body: AsyncIterable<Uint8Array>;
  /** Discards the body. */
  drop(): void;
}

/** There was no response, or only part of one. The message says why, without the server's name. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  /** The host that did not respond. */
  readonly host: string;
  /** A retry would end in the same way. */
  readonly isFinal: boolean;
  /** The host answered, but the answer was incomplete or unusable. */
  readonly isAnswered: boolean;

  constructor(
    host: string,
    message: string,
    details: { cause?: unknown; isFinal?: boolean; isAnswered?: boolean } = {},
  ) {
    super(message, { cause: details.cause });
    this.host = host;
    this.isAnswered = details.isAnswered ?? false;
    this.isFinal = details.isFinal ?? isFinal(details.cause);
  }
}

/** The server showed another certificate than the one that is accepted. Nothing was sent to it. */
export class CertificateError extends HttpError {
  /** The SHA-256 fingerprint of the certificate that it showed. */
  readonly shown: string;

  constructor(host: string, shown: string) {
    super(host, `presents another certificate: ${shown}`, { cause: shown, isFinal: true });
    this.shown = shown;
  }
}

/** A download was interrupted, and the file on the server has changed since. */
export class ChangedError extends HttpError {
  constructor(host: string) {
    super(host, "it changed during the download", { isFinal: true, isAnswered: true });
  }
}

/** A response without success. Its body is unread. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(answer.statusLine);
    this.answer = answer;
  }
}
