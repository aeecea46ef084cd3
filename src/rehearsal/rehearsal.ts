import type { Runner } from "../host/host.ts";
import type { Digest } from "../model/digest.ts";

/** The replacement for Oracle's media: an installation ISO, and the recipe's repositories. */
export interface RehearsalMedium {
  readonly iso: string;
  readonly digest: Digest;
  /** Folders with repodata, by repository id: `ol6_addons`, `ol6_latest`. */
  readonly repositories: Readonly<Record<string, string>>;
  /** Digest of the repositories' contents. */
  readonly repositoriesDigest: Digest;
}

/** The release that the stand-in imitates. */
export interface RehearsalRelease {
  readonly major: 6 | 7;
  readonly update: number;
}

export interface MediumOptions {
  /** The folder for media and the Debian packages that they are made of. */
  readonly cache: string;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

/** Input for a function that makes one part. */
export interface Making {
  readonly host: Runner;
  readonly release: RehearsalRelease;
  /** The folder of the unfinished medium. */
  readonly folder: string;
  readonly debs: { readonly extracted: string; readonly kernel: string };
  readonly run: (
    argv: readonly string[],
    onLine?: (line: string) => void,
    env?: Readonly<Record<string, string>>,
  ) => Promise<string>;
}

export const assets = new URL("../../src/rehearsal/assets/", import.meta.url).pathname;
