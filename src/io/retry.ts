/** Milliseconds before another attempt, after `attempt` that failed: longer each time, and never the same for two of us. */
export function waitBefore(attempt: number): number {
  return 250 * 2 ** Math.min(attempt, 6) * (0.75 + Math.random() / 2);
}

/**
 * What Retry-After says (RFC 9110, section 10.2.3), in milliseconds from `now`: seconds, or a date. `undefined` where it
 * says nothing that can be read. Never less than a quarter of a second, so that a server's slow clock makes no rush.
 */
export function retryAfterMs(text: string | undefined, now: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Math.max(250, Number(value) * 1000);
  // Date.parse takes much more than HTTP's three forms, a bare number for one.
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return undefined;
  const date = Date.parse(/GMT|UTC|[+-]\d{4}$/.test(value) ? value : `${value} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(250, date - now);
}
