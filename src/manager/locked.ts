/**
 * Whether the Manager says that an object is locked by a job. The words are not documented; the CLI retries by itself while it is synchronous
 * (Command Line Interface User's Guide 3.4, set), so this is for what is left.
 */
export function saysLocked(said: string): boolean {
  return /\block(?:ed)?\b/i.test(said);
}
