import type { DiskWanted, SeenDisk } from "./place.ts";
import type { State } from "./state.ts";

export interface DiskPlan {
  readonly name: string;
  readonly action: "create" | "keep" | "destroy";
  readonly wanted?: DiskWanted;
  readonly seen?: SeenDisk;
  readonly details: readonly string[];
}

export function diskPlan(
  wanted: DiskWanted,
  seen: SeenDisk | undefined,
  state: State,
  problems: string[],
): DiskPlan {
  const size = sizeWords(wanted.bytes);
  const details = [`${size}${wanted.isShared ? ", shared" : ""}`];
  if (!seen)
    return {
      name: wanted.name,
      action: "create",
      wanted,
      details:
        state.disks[wanted.name]?.phase === "made" ? [...details, "was removed outside tbuild"] : details,
    };
  // A place may round up.
  if (seen.bytes < wanted.bytes || seen.bytes >= wanted.bytes + 2 ** 30)
    problems.push(
      `disk ${wanted.name}: has ${sizeWords(seen.bytes)}, but the file says ${size}, and tbuild does not resize disks. Give the disk another name, and move its contents.`,
    );
  if (seen.isShared !== wanted.isShared)
    problems.push(
      `disk ${wanted.name}: is ${seen.isShared ? "" : "not "}shared, but the file says otherwise`,
    );
  const action = state.disks[wanted.name]?.phase === "made" ? "keep" : "create";
  return { name: wanted.name, action, wanted, seen, details };
}

export function diskRemoval(seen: SeenDisk): DiskPlan {
  return {
    name: seen.name,
    action: "destroy",
    seen,
    details: [`${sizeWords(seen.bytes)}, with its contents`],
  };
}

function sizeWords(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${Math.round(mib)} MiB`;
}
