import { Interrupted } from "../../errors.ts";
import type { Host } from "../../host/host.ts";

/**
 * The lines that a program writes, until it ends. A carriage return starts a new line, too, because progress
 * is printed with it.
 */
export async function* lines(
  host: Host,
  argv: readonly string[],
  signal: AbortSignal | undefined,
): AsyncIterable<string> {
  const stream = await host.join(argv);
  const end = () => stream.destroy();
  signal?.addEventListener("abort", end, { once: true });
  try {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const data of stream) {
      const found = (rest + decoder.decode(data as Buffer, { stream: true })).split(/\r*\n|\r+/);
      rest = found.pop() ?? "";
      yield* found;
    }
    if (rest !== "") yield rest;
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener("abort", end);
    stream.destroy();
  }
  if (signal?.aborted) throw new Interrupted();
}
