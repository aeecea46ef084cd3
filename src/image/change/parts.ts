import { TbuildError } from "../../errors.ts";
import type { Change } from "./change.ts";

/** A volume at its place in the guest. */
interface Placed {
  readonly at: string;
}

/** Finds the volume that holds a path, and the path inside it. */
export function partFinder<Part extends Placed>(parts: readonly Part[]): (path: string) => [Part, string] {
  // So that the first that fits a path is the one that holds it.
  const deepestFirst = [...parts].sort((a, b) => b.at.length - a.at.length);
  return (path) => {
    for (const part of deepestFirst) {
      if (part.at === "/") return [part, path];
      if (path === part.at || path.startsWith(`${part.at}/`))
        return [part, path.slice(part.at.length) || "/"];
    }
    throw new TbuildError("usage", "no volume is given for /", { subject: path });
  };
}

/** The changes that fall into `part`, with their paths inside it. */
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
