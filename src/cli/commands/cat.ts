import type { Command } from "commander";
import { pathsOf } from "../../guest/files/listing.ts";
import { printable } from "../../io/escape.ts";
import { requiredGuestPath } from "../guest-path.ts";
import { printFrom, type ReadFlags, writeOut } from "../read-image.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ReadFlags>();
  for (const { image, path } of (args[0] as string[]).map(requiredGuestPath))
    await printFrom(image, flags, async (tree, signal) => {
      // A file of a guest must not control the terminal. A pipe gets the bytes.
      for (const found of await pathsOf(tree, path))
        for await (const part of tree.parts(found))
          await writeOut(process.stdout.isTTY ? printable(Buffer.from(part).toString()) : part, signal);
    });
}
