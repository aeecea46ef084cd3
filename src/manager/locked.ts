/**
 * Whether the Manager says that an object is locked by a job. The wording is not documented. The CLI itself
 * retries while it is synchronous (Command Line Interface User's Guide 3.4, set), so this covers the
 * remaining cases.
 */
export function saysLocked(said: string): boolean {
  return /\block(?:ed)?\b/i.test(said);
}
