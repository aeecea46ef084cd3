import { open } from "node:fs/promises";
import { Interrupted } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";

/** The lines of a growing file, until `alive` returns false because its writer has ended. */
export async function* tail(
  file: string,
  alive: () => Promise<boolean>,
  signal: AbortSignal | undefined,
): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let position = 0;
  let rest = "";
  for (;;) {
    if (signal?.aborted) throw new Interrupted();
    // Checked before reading, so that everything written until then is read below.
    const more = await alive();
    const handle = await open(file, "r").catch(() => undefined);
    if (handle) {
      const { size } = await handle.stat();
      const buffer = Buffer.alloc(Math.max(0, size - position));
      await handle.read(buffer, 0, buffer.length, position);
      await handle.close();
      position = Math.max(position, size);
      const lines = (rest + decoder.decode(buffer, { stream: true })).split(/\r*\n|\r+/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (!more) break;
    await sleep(100, signal);
  }
  if (rest !== "") yield rest;
}
