import type { Host } from "../host/host.ts";

/**
 * The commit of `folders`, and whether they differ from it. The first folder determines the repository.
 * `undefined` outside git.
 */
export async function gitState(
  host: Host,
  folders: readonly string[],
): Promise<{ commit: string; dirty: boolean } | undefined> {
  const [first] = folders;
  if (first === undefined) return undefined;
  const any = { allow: [...Array(256).keys()], cwd: first };
  try {
    const commit = await host.run(["git", "rev-parse", "HEAD"], any);
    if (commit.exitCode !== 0) return undefined;
    let dirty = false;
    for (const folder of folders) {
      const changes = await host.run(["git", "status", "--porcelain", "--", "."], { ...any, cwd: folder });
      dirty ||= changes.stdout.trim() !== "";
    }
    return { commit: commit.stdout.trim(), dirty };
  } catch {
    return undefined; // git is not installed, and a build does not need it
  }
}
