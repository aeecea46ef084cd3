import type { Host } from "../host/host.ts";
import type { Digest } from "../model/digest.ts";

/** What stands in for Oracle's media: an installation ISO, and the repositories that a recipe names. */
export interface RehearsalMedium {
  readonly iso: string;
  readonly digest: Digest;
  /** Folders with repodata, by repository id: `ol6_addons`, `ol6_latest`. */
  readonly repositories: Readonly<Record<string, string>>;
  /** Digest over the repositories' content. */
  readonly repositoriesDigest: Digest;
}

/** Which release the stand-in behaves as. */
export interface RehearsalRelease {
  readonly major: 6 | 7;
  readonly update: number;
}

export interface MediumOptions {
  /** Where media, and the Debian packages that they are made of, are kept. */
  readonly cache: string;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

/** What a maker of one part gets. */
export interface Making {
  readonly host: Host;
  readonly release: RehearsalRelease;
  /** The folder of the medium in the making. */
  readonly folder: string;
  readonly debs: { readonly extracted: string; readonly kernel: string };
  readonly run: (
    argv: readonly string[],
    onLine?: (line: string) => void,
    env?: Readonly<Record<string, string>>,
  ) => Promise<string>;
}

export const assets = new URL("../../src/rehearsal/assets/", import.meta.url).pathname;
