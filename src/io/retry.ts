/** How many times a request or a transfer is tried. */
export const mostTries = 4;
/** The same for a request to a server that says that it is busy. */
export const mostBusyTries = 8;

/** Milliseconds to wait after `attempt` failed attempts: longer each time, with a random part so that clients spread out. */
export function waitBefore(attempt: number): number {
  return 250 * 2 ** Math.min(attempt, 6) * (0.75 + Math.random() / 2);
}

/**
 * The value of Retry-After (RFC 9110, section 10.2.3; seconds or a date) in milliseconds from `now`; `undefined` if it
 * cannot be read. At least 250 ms, so that a server whose clock is behind is not flooded.
 */
export function retryAfterMs(text: string | undefined, now: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Math.max(250, Number(value) * 1000);
  // Date.parse accepts more than HTTP's three date forms, for example a bare number.
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return undefined;
  const date = Date.parse(/GMT|UTC|[+-]\d{4}$/.test(value) ? value : `${value} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(250, date - now);
}
