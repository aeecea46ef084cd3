import type { ChangedFile, Ended, ProgramOptions, Programs } from "../../image/programs.ts";
import type { GuestTree } from "../../image/tree.ts";

/** The guest as it was: its tree, and what has to be closed with it. */
interface Opened extends AsyncDisposable {
  readonly tree: GuestTree;
}

/**
 * Runs a program of the guest. The kernel that it runs under has no SELinux policy, so it makes files without labels. They
 * get the label that the same path has in `before`, and new ones that of their neighbours.
 */
export async function runProgram(
  { tree, programs }: { readonly tree: GuestTree; readonly programs: Programs },
  argv: readonly string[],
  before: () => Promise<Opened>,
  options: ProgramOptions,
): Promise<Ended> {
  const ended = await programs.run(argv, options);
  const bare = ended.changed.filter(({ label, kind }) => label === undefined && kind !== "other");
  if (bare.length > 0 && (await tree.stat("/"))?.label !== undefined)
    await programs.label(await labelsOf(bare, tree, before));
  return ended;
}

async function labelsOf(
  files: readonly ChangedFile[],
  tree: GuestTree,
  before: () => Promise<Opened>,
): Promise<Map<string, string>> {
  const labels = new Map<string, string>();
  await using old = await before();
  for (const { path, kind } of files) {
    const label =
      (await old.tree.stat(path))?.label ?? (await tree.labelFor(path, kind === "other" ? "file" : kind));
    if (label !== undefined) labels.set(path, label);
  }
  return labels;
}
