import { open } from "node:fs/promises";
import { basename } from "node:path";
import { qcow2AsRaw } from "../vm-cfg/format-note.ts";
import type { Located } from "./locate.ts";

/** Disks that are qcow2, although vm.cfg has them attached as raw. `file:` and `tap:aio:` mean raw. */
export async function formatNotes(located: readonly Located[]): Promise<string[]> {
  const notes: string[] = [];
  for (const { entry, file } of located)
    if (entry.format === "raw" && (await isQcow2(file))) notes.push(qcow2AsRaw(basename(file)));
  return notes;
}

// A file that cannot be read is reported where its content is needed.
async function isQcow2(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString("latin1") === "QFI\xfb";
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}
