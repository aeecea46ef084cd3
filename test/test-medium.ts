import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { localHost } from "../src/host/local.ts";
import type { RehearsalMedium } from "../src/rehearsal/rehearsal.ts";

/** Where tests keep what is dear to make; the same as `make demo`, so that neither makes it twice. */
export const mediaCache = resolve(import.meta.dirname, "../.tbuild/media");

export async function testMedium(major: 6 | 7, host = localHost()): Promise<RehearsalMedium> {
  // A medium belongs to the code that made it. This is the built code, as `tbuild` runs it.
  const built = pathToFileURL(resolve(import.meta.dirname, "../dist/rehearsal/medium.js")).href;
  const { makeRehearsalMedium } = (await import(built)) as typeof import("../src/rehearsal/medium.ts");
  return makeRehearsalMedium(host, { major, update: major === 6 ? 10 : 9 }, { cache: mediaCache });
}
