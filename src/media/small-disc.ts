import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Runner } from "../host/host.ts";
import { behindLinks, inOnePiece } from "../host/partial-file.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { withReason } from "./xorriso.ts";

/** The contents of a small disc with settings for one machine. */
export interface SmallDisc {
  /** File name → text. Empty files are left out. */
  readonly files: Readonly<Record<string, string>>;
  readonly label: string;
  /** An ISO image if it ends in `.iso`, otherwise a folder. */
  readonly output: string;
  readonly signal?: AbortSignal;
}

/** Writes the disc, or the folder with its files. They may hold secrets: only their owner can read them. */
export async function writeDisc(host: Runner, { files, label, output, signal }: SmallDisc): Promise<void> {
  const named = Object.entries(files).filter(([, text]) => text !== "");
  const write = async (folder: string) => {
    for (const [name, text] of named) {
      const path = join(folder, name);
      await rm(path, { force: true });
      await writeFile(path, text, { mode: 0o600, flag: "wx" });
    }
  };
  if (!output.endsWith(".iso")) {
    await makeFolders(output);
    await chmod(output, 0o700);
    return write(output);
  }
  await using folder = await temporaryFolder("disc");
  await write(folder.path);
  await inOnePiece(await behindLinks(output), async (part) => {
    await writeFile(part, "", { mode: 0o600 });
    // -r: owner root, and readable by all: on the disc, not for this file.
    const argv = ["xorriso", "-as", "mkisofs", "-quiet", "-V", label, "-J", "-r", "-o", part, folder.path];
    await host.run(argv, { env: { LC_ALL: "C" }, ...(signal && { signal }) }).catch((error) => {
      throw withReason(error, output);
    });
  });
}
