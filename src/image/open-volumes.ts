import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ImageAccess, Mount } from "./access.ts";
import type { ImageFile } from "./file/image-file.ts";
import { rawView } from "./file/raw-view.ts";
import { syncImage } from "./file/sync-image.ts";
import type { GuestTree } from "./tree.ts";
import { type AccessOptions, chooseAccess } from "./ways/index.ts";

/** Volumes of an image, opened as one tree. Closing it makes the changes that are still in memory. */
export interface OpenedVolumes extends AsyncDisposable {
  /** The file given to the access method: the image itself, or a raw view of its disk. */
  readonly raw: string;
  readonly access: Pick<ImageAccess, "name">;
  /** Why this method was chosen, and why the earlier ones were not. */
  readonly why: readonly string[];
  readonly tree: GuestTree;
}

/**
 * Uses the best access method, and if that fails on this image, the next one: a kernel may support XFS, but not its format
 * of 2010. The reasons against earlier methods are in `why`. If no method is left, the best one's error is thrown, with the
 * reasons against each.
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
    const access = await chooseAccess(host, facts.file, volumes, options, failed).catch((error) => {
      throw first ? first.with({ lines: error.lines, hint: noWayHint }) : error;
    });
    const { name, why } = access;
    try {
      const opened = await openBy(host, access, facts, mounts, options);
      return { access: { name }, why, ...opened };
    } catch (error) {
      if (!(error instanceof TbuildError) || error.fault !== "environment" || options.via !== undefined)
        throw error;
      first ??= error;
      // The command is also a line, followed by its output.
      failed.push({ name, why: error.said[0]?.trim() ?? error.about(name) });
    }
  }
}

const noWayHint =
  "Install the missing program, or run tbuild as root on a machine whose kernel mounts this file system.";

// An access method that cannot read the format gets a raw view of the disk.
async function openBy(
  host: Host,
  access: ImageAccess,
  { file, format }: Pick<ImageFile, "file" | "format">,
  mounts: readonly Mount[],
  { readOnly = false, programs, watch }: AccessOptions,
): Promise<Pick<OpenedVolumes, "raw" | "tree"> & AsyncDisposable> {
  const takes = (access.formats ?? ["raw"]).includes(format);
  const view = takes ? undefined : await rawView(host, file, readOnly);
  const raw = view?.file ?? file;
  const tree = await access
    .open(raw, mounts, { readOnly, ...(programs && { programs }), ...(watch && { watch }) })
    .catch(async (error) => {
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
      if (!readOnly && !access.readsOnly) await syncImage(file);
    },
  };
}
