import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ImageAccess, Mount } from "./access.ts";
import type { ImageFile } from "./file/image-file.ts";
import { rawView } from "./file/raw-view.ts";
import type { GuestTree } from "./tree.ts";
import { type AccessOptions, chooseAccess } from "./ways/index.ts";

/** Volumes of an image, opened as one tree. Closing it makes the changes that are still in memory. */
export interface OpenedVolumes extends AsyncDisposable {
  /** What the way in was given: the file itself, or a raw view of the disk in it. */
  readonly raw: string;
  readonly access: Pick<ImageAccess, "name" | "runsPrograms">;
  /** Why this way, and what spoke against those before it. */
  readonly why: readonly string[];
  readonly tree: GuestTree;
}

/**
 * By the best way, and where that fails on this very image, by the next: a kernel may have XFS, and not its format of
 * 2010. What spoke against the ways before is in `why`.
 */
export async function openByBest(
  host: Host,
  facts: Pick<ImageFile, "file" | "format">,
  mounts: readonly Mount[],
  options: AccessOptions,
): Promise<OpenedVolumes> {
  const volumes = mounts.map(({ volume }) => volume);
  const failed: { name: string; why: string }[] = [];
  let first: TbuildError | undefined;
  for (;;) {
    // When no other is left, what the best one said is what counts.
    const access = await chooseAccess(host, facts.file, volumes, options, failed).catch((error) => {
      throw first ?? error;
    });
    const { name, runsPrograms, why } = access;
    try {
      const opened = await openBy(host, access, facts, mounts, options);
      return { access: { name, runsPrograms }, why, ...opened };
    } catch (error) {
      if (!(error instanceof TbuildError) || error.fault !== "environment" || options.via !== undefined)
        throw error;
      first ??= error;
      // The command is a line, too; what it said comes after it.
      failed.push({ name, why: error.said[0]?.trim() ?? error.message });
    }
  }
}

// A way that does not take the format is given a raw view of the disk in it.
async function openBy(
  host: Host,
  access: ImageAccess,
  { file, format }: Pick<ImageFile, "file" | "format">,
  mounts: readonly Mount[],
  { readOnly = false, watch }: AccessOptions,
): Promise<Pick<OpenedVolumes, "raw" | "tree"> & AsyncDisposable> {
  const takes = (access.formats ?? ["raw"]).includes(format);
  const view = takes ? undefined : await rawView(host, file, readOnly);
  const raw = view?.file ?? file;
  const tree = await access.open(raw, mounts, { readOnly, ...(watch && { watch }) }).catch(async (error) => {
    await view?.[Symbol.asyncDispose]();
    throw error;
  });
  return {
    raw,
    tree,
    async [Symbol.asyncDispose]() {
      try {
        await tree[Symbol.asyncDispose]();
      } finally {
        await view?.[Symbol.asyncDispose]();
      }
    },
  };
}
