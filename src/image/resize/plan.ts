import { rm, stat } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Volume } from "../access.ts";
import { differingPieces } from "../change/pieces.ts";
import { type PlannedChange, planOn } from "../change/planned-change.ts";
import { namesFor } from "../change/undo.ts";
import { insideOf, tableOf } from "../disk/disk.ts";
import { fileSystemOf } from "../disk/filesystem.ts";
import { readImageFile } from "../file/image-file.ts";
import { imageFacts, refuseChange } from "../open.ts";
import type { FarFolder } from "../remote-image.ts";
import { grow } from "./grow.ts";
import { targetOf } from "./target.ts";

export interface ResizeOptions {
  /** The new size of the disk in bytes. */
  readonly bytes: number;
  /** The volume that takes the new space. Default: the only one that can. */
  readonly volume?: string;
  readonly far?: FarFolder;
  readonly note?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** A part of a disk that grows, in bytes. */
export interface Growth {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/** Computes the bytes that a larger disk changes, in a copy beside the image. The image is not changed. */
export async function planResize(
  host: Host,
  file: string,
  { bytes, volume, far, note, signal }: ResizeOptions,
): Promise<PlannedChange<readonly Growth[]>> {
  if (far)
    throw new TbuildError("environment", "cannot be resized over the network", {
      subject: file,
      hint: "Run tbuild on that machine.",
    });
  return planOn(file, { ...(note && { note }), ...(signal && { signal }) }, async (image, users) => {
    const facts = await imageFacts(image, users);
    await refuseChange(facts);
    const table = await (async () => {
      await using reader = await readImageFile(image);
      return await tableOf(reader);
    })();
    if (bytes < facts.bytes)
      throw new TbuildError(
        "usage",
        `the disk already has ${facts.bytes} bytes, and tbuild cannot make it smaller`,
        {
          subject: file,
          hint: "To make a disk smaller, copy its files to a new one.",
        },
      );
    if (table.table === "mbr" && bytes > mbrBytes)
      throw new TbuildError("usage", "its partition table (MBR) ends at 2 TiB", {
        subject: file,
        hint: "Choose 2T or less, or add another disk to the machine.",
      });
    const target = targetOf(facts, table.partitions, volume);
    const copy = namesFor(image).work;
    try {
      await host.run(
        ["cp", "--sparse=always", "--reflink=auto", "--", image, copy],
        signal ? { signal } : {},
      );
      const { format } = facts;
      const grown = await grow(host, { file: copy, format, bytes }, target, signal ? { signal } : {});
      const growths = [
        { what: "disk", from: facts.bytes, to: bytes },
        ...(target.partition && grown.partition
          ? [{ what: target.partition.name, from: target.partition.bytes, to: grown.partition.bytes }]
          : []),
        ...(target.group === undefined
          ? []
          : [{ what: target.volume.name, from: sizeOf(target.volume), to: sizeOf(grown.volume) }]),
        {
          what: "file system",
          from: await fileSystemBytes(image, target.volume),
          to: await fileSystemBytes(copy, grown.volume),
        },
      ].filter(({ from, to }) => from !== to);
      return {
        result: growths,
        via: target.group === undefined && target.volume.fs !== "xfs" ? "resize2fs" : "uml",
        // If nothing grew, only the checks have changed times in the superblock.
        pieces: growths.length > 0 ? await differingPieces(host, image, copy, signal) : [],
        bytes: (await stat(copy)).size,
        close: () => rm(copy, { force: true }),
      };
    } catch (error) {
      await rm(copy, { force: true }).catch(() => {});
      throw error;
    }
  });
}

const mbrBytes = 2 ** 41;

async function fileSystemBytes(file: string, volume: Volume): Promise<number> {
  await using disk = await readImageFile(file);
  const { bytes } = await fileSystemOf(insideOf(disk, volume));
  if (bytes === undefined) throw new Error(`the file system of ${volume.name} has no size`);
  return bytes;
}

function sizeOf({
  bytes,
  pieces,
}: {
  readonly bytes: number;
  readonly pieces?: readonly { bytes: number }[];
}): number {
  return pieces?.reduce((sum, piece) => sum + piece.bytes, 0) ?? bytes;
}
