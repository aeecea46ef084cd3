import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HttpError, httpClient, RefusedError } from "../../../io/http.ts";
import { Refusal } from "../refusal.ts";

/** Fetches a URL into a file, as a server of the Manager does for an import. */
export async function fetched(url: string, to: string): Promise<void> {
  await using client = httpClient({ limits: { patienceMs: 20_000 } });
  try {
    await pipeline(
      Readable.from(client.read({ url: new URL(url) }), { objectMode: false }),
      createWriteStream(to, { flags: "wx", mode: 0o600 }),
    );
  } catch (error) {
    if (error instanceof HttpError || error instanceof RefusedError)
      throw new Refusal(`OVMAPI_9999E ${url} cannot be fetched: ${error.message}`);
    throw error;
  }
}
