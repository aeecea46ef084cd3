import { existsSync } from "node:fs";
import { firstFault, TbuildError } from "../errors.ts";
import type { FarFolder, FarPath } from "../image/remote-image.ts";

/** An image, or a folder of images, that the user named: local, or remote and mounted here. */
export interface NamedImage {
  /** The name that the user gave. */
  readonly name: string;
  /** The local path to read and write. */
  readonly file: string;
  readonly far?: FarFolder;
  /** Replaces the local mount in a text with the path that the user gave (`ovs1:/OVS/…`). */
  shown(text: string): string;
}

export interface FarFlags {
  readonly sshConfig?: string;
}

/** `[user@]host:/path`, as in scp, unless a local file has that name. */
export function farPath(text: string): FarPath | undefined {
  if (existsSync(text)) return undefined;
  const [, address, path] = /^((?:\w[\w.-]*@)?(?:\w[\w.-]*|\[[\da-fA-F:]+\])):(\/.*)$/s.exec(text) ?? [];
  return address === undefined || path === undefined ? undefined : { address, path };
}

// Kept out of the function with `await using`, because TypeScript 5.9 does not rewrite the name in import()
// there.
async function open(path: FarPath, config: string | undefined) {
  const { openFar } = await import("../image/remote-image.ts");
  return openFar(path, config === undefined ? {} : { config });
}

/** Runs `work` with the image `name`. `[user@]host:/path` is on another machine, unless a local file has that name. */
export async function withImage<Result>(
  name: string,
  { sshConfig }: FarFlags,
  work: (image: NamedImage) => Promise<Result>,
): Promise<Result> {
  const path = farPath(name);
  if (!path) return work({ name, file: name, shown: (text) => text });
  const { far, seen } = await open(path, sshConfig);
  await using _far = far;
  const shown = (text: string) => text.replaceAll(far.at, () => `${path.address}:${far.pathOn(far.at)}`);
  try {
    return await work({ name, file: seen, far, shown });
  } catch (thrown) {
    const error = firstFault(thrown);
    if (!(error instanceof TbuildError)) throw error;
    throw new TbuildError(error.fault, shown(error.message), {
      cause: error.cause,
      lines: error.lines.map(shown),
      ...(error.hint !== undefined && { hint: shown(error.hint) }),
    });
  }
}
