/** The first release that makes no paravirtual machines; those that exist go on (Release Notes 3.4.6). */
const since = [3, 4, 6];

/** Whether a Manager of this version, such as `3.4.6.2105`, makes paravirtual machines. */
export function makesPvm(version: string): boolean {
  const numbers = version.split(".").map(Number);
  const at = since.findIndex((one, index) => numbers[index] !== one);
  return at !== -1 && (numbers[at] ?? 0) < (since[at] ?? 0);
}

/** For messages about such a Manager. */
export const noPvm = "makes no paravirtual machines (3.4.6 and later)";
