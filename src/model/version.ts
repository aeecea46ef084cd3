/** The requested version if it is free, otherwise the next patch number after the newest of its series. */
export function proposeVersion(existing: readonly string[], wanted: string): string {
  const taken = new Set(existing);
  if (!taken.has(wanted)) return wanted;
  const [major, minor] = wanted.split(".");
  const patches = [...taken]
    .filter((version) => version.startsWith(`${major}.${minor}.`))
    .map((version) => Number(version.split(".")[2]));
  return `${major}.${minor}.${Math.max(...patches) + 1}`;
}

/** Orders versions by their numbers: 1.10.0 comes after 1.9.0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
  for (let i = 0; i < 3; i++) if ((left[i] ?? 0) !== (right[i] ?? 0)) return (left[i] ?? 0) - (right[i] ?? 0);
  return 0;
}
