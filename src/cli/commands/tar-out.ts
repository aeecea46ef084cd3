import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Command } from "commander";
import { Interrupted, TbuildError } from "../../errors.ts";
import { archiveOf } from "../../guest/files/take-out.ts";
import { behindLinks, inOnePiece } from "../../host/partial-file.ts";
import type { GuestTree } from "../../image/tree.ts";
import { guestPathOrRoot } from "../guest-path.ts";
import { leftOutNotes } from "../left-out.ts";
import { printFrom, type ReadFlags, writeOut } from "../read-image.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ReadFlags>();
  const { image, path } = guestPathOrRoot(String(args[0]));
  const target = args[1] === undefined ? "-" : String(args[1]);
  if (target === "-" && process.stdout.isTTY)
    throw new TbuildError("usage", "tbuild does not write an archive to a terminal", {
      subject: "tar-out",
      hint: "Name a file, or pipe the output: tbuild tar-out System.img:/etc etc.tar.gz",
    });
  await printFrom(image, flags, async (tree, signal) => {
    await requireFolder(tree, path);
    const notes = leftOutNotes();
    const archive = archiveOf(tree, path, notes.leftOut);
    if (target === "-") for await (const part of archive) await writeOut(part, signal);
    else await save(archive, target, signal);
    notes.conclude();
  });
}

async function save(archive: AsyncIterable<Uint8Array>, target: string, signal: AbortSignal): Promise<void> {
  const stages = /\.t?gz$/.test(target) ? [createGzip()] : [];
  const file = await behindLinks(target);
  try {
    await inOnePiece(file, (part) =>
      pipeline([Readable.from(archive, { objectMode: false }), ...stages, createWriteStream(part)], {
        signal,
      }),
    );
  } catch (error) {
    throw signal.aborted ? new Interrupted() : error;
  }
}

async function requireFolder(tree: GuestTree, path: string): Promise<void> {
  if ((await tree.stat(`${path}/.`))?.kind === "dir") return;
  throw new TbuildError(
    "guest",
    (await tree.stat(path)) ? "is not a folder" : "no such folder in the guest",
    { subject: path, ...((await tree.stat(path)) && { hint: "Copy a file with `tbuild cp`." }) },
  );
}
