import { resolve } from "node:path";
import { localHost } from "../src/host/local.ts";
import { makeRehearsalMedium } from "../src/rehearsal/medium.ts";
import type { RehearsalMedium } from "../src/rehearsal/rehearsal.ts";

/** Where tests keep what is dear to make; the same as `make demo`, so that neither makes it twice. */
export const mediaCache = resolve(import.meta.dirname, "../.tbuild/media");

export function testMedium(major: 6 | 7, host = localHost()): Promise<RehearsalMedium> {
  return makeRehearsalMedium(host, { major, update: major === 6 ? 10 : 9 }, { cache: mediaCache });
}
