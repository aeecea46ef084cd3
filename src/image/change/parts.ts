import { TbuildError } from "../../errors.ts";
import type { Change } from "./change.ts";

/** A volume at its place in the guest. */
interface Placed {
  readonly at: string;
}

/** Finds the volume that contains a path, and the path in it. */
export function partFinder<Part extends Placed>(parts: readonly Part[]): (path: string) => [Part, string] {
  // Sorted, so that the first match is the volume that contains the path.
  const deepestFirst = [...parts].sort((a, b) => b.at.length - a.at.length);
  return (path) => {
    for (const part of deepestFirst) {
      if (part.at === "/") return [part, path];
      if (path === part.at || path.startsWith(`${part.at}/`))
        return [part, path.slice(part.at.length) || "/"];
    }
    throw new TbuildError("usage", "there is no volume for /", { subject: path });
  };
}

/** The changes in `part`, with their paths in it. */
export function changesIn<Part extends Placed>(
  part: Part,
  changes: readonly Change[],
  partOf: (path: string) => [Part, string],
): Change[] {
  return changes.flatMap((change) => {
    const [owner, path] = partOf(change.path);
    return owner === part ? [{ ...change, path }] : [];
  });
}
