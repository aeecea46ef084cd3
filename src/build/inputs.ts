/** The named inputs of a result: digests, or short values. */
export type Inputs = Readonly<Record<string, string>>;

/** Describes the inputs that differ. */
export function changedInputs(before: Inputs, now: Inputs): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    if (before[name] === now[name]) return [];
    if (before[name] === undefined) return [`${name} is new`];
    return [now[name] === undefined ? `${name} is gone` : `${name} changed`];
  });
}
