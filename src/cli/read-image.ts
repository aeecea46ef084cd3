import { once } from "node:events";
import { Interrupted } from "../errors.ts";
import { localHost } from "../host/local.ts";
import { openImageFile } from "../image/open.ts";
import { openVolumeOf } from "../image/open-volume.ts";
import type { GuestTree } from "../image/tree.ts";
import { printable } from "../io/escape.ts";
import { interruptible, printing } from "./interrupt.ts";
import { type FarFlags, withImage } from "./named-image.ts";
import { viaOption } from "./via-option.ts";

export interface ReadFlags extends FarFlags {
  readonly via?: string;
  readonly volume?: string;
}

/** Runs `work` with the files of the guest in an image, or with those of one volume, read only. */
export function readImage<Result>(
  image: string,
  flags: ReadFlags,
  whatStays: string,
  work: (tree: GuestTree, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return interruptible(whatStays, (signal) => read(image, flags, signal, work));
}

/** As `readImage`, for a command that only prints. */
export function printFrom(
  image: string,
  flags: ReadFlags,
  work: (tree: GuestTree, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  return printing((signal) => read(image, flags, signal, work));
}

function read<Result>(
  image: string,
  flags: ReadFlags,
  signal: AbortSignal,
  work: (tree: GuestTree, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  return withImage(image, flags, async ({ file, far, shown }) => {
    const options = {
      readOnly: true,
      watch: { signal },
      note: (text: string) => void process.stderr.write(`${printable(shown(text))}\n`),
      ...viaOption(flags.via),
      ...(far && { far }),
    };
    await using opened =
      flags.volume === undefined
        ? await openImageFile(localHost(), file, options)
        : await openVolumeOf(localHost(), file, flags.volume, options);
    return await work(opened.tree, signal);
  });
}

/** Writes to standard output at the pace of its reader. Throws `Interrupted` once `signal` aborts. */
export async function writeOut(data: Uint8Array | string, signal: AbortSignal): Promise<void> {
  if (!signal.aborted && !process.stdout.write(data))
    await once(process.stdout, "drain", { signal }).catch((error) => {
      if (!signal.aborted) throw error;
    });
  if (signal.aborted) throw new Interrupted();
}
