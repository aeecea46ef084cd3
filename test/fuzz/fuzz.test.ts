import { writeSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { systemFault } from "../../src/io/file-fault.ts";
import { missing } from "../fakes/missing.ts";
import { documentEntrances } from "./documents.ts";
import { daemonEntrances } from "./guest-daemon.ts";
import { guestEntrances } from "./guest-files.ts";
import { imageEntrances } from "./images.ts";
import { damaged, damagedText, damageOf, type Random, randomFrom, usedSectors } from "./mutations.ts";
import { type Watchdog, watchdog } from "./watchdog.ts";

/*
 * Damaged inputs at every door that takes bytes of somebody else. Each ends with an answer or a TbuildError in words:
 * within 20 seconds, and within 1 GiB. A try is made from its seed alone. To repeat one that failed:
 *
 *     TBUILD_FUZZ_SEED=1234 TBUILD_FUZZ_TRIES=1 npx vitest run --project check test/fuzz -t 'NAME'
 */
const seed = Number(process.env.TBUILD_FUZZ_SEED ?? 1);
const tries = process.env.TBUILD_FUZZ_TRIES === undefined ? undefined : Number(process.env.TBUILD_FUZZ_TRIES);
const mostShown = 8;

let folder: string;
let watching: Watchdog;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-fuzz-"));
  watching = watchdog();
});
afterAll(async () => {
  watching[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

describe("damaged input is answered or refused in words", () => {
  for (const { name, needs = [], tries: some = 20, inputs, enter } of [
    ...imageEntrances,
    ...guestEntrances,
    ...documentEntrances,
    ...daemonEntrances,
  ])
    it.skipIf(missing(...needs))(
      name,
      async () => {
        const work = await mkdtemp(join(folder, "work-"));
        const whole = await inputs(await mkdtemp(join(folder, "inputs-")));
        const used = whole.map((input) => (typeof input === "string" ? [] : usedSectors(input)));
        const faults = new Map<string, string>();
        for (let tried = 0; tried < (tries ?? some); tried++) {
          const random = randomFrom(seed + tried);
          const which = random(whole.length);
          const input = damagedInput(whole[which] ?? "", used[which] ?? [], random);
          const what = `${name}, seed ${seed + tried}, input ${which}`;
          watching.now(what);
          const fault = await faultOf(() => enter(input, work));
          if (fault !== undefined && !faults.has(fault)) {
            faults.set(fault, what);
            // A run of hours reports failures immediately, not at its end.
            if (tries !== undefined) writeSync(2, `fuzz: ${what}: ${fault}\n`);
          }
          if (faults.size >= mostShown) break;
          for (const left of await readdir(work))
            await rm(join(work, left), { recursive: true, force: true });
        }
        expect([...faults].map(([fault, what]) => `${what}: ${fault}`)).toEqual([]);
      },
      tries === undefined ? 120_000 : 3_600_000,
    );
});

function damagedInput(input: Buffer | string, used: readonly number[], random: Random): Buffer {
  if (typeof input === "string") return Buffer.from(damagedText(input, random));
  return damaged(input, damageOf(input, used, random));
}

/** What is wrong with how it ended. */
async function faultOf(enter: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await enter();
    return undefined;
  } catch (error) {
    const known = error instanceof TbuildError ? error : systemFault(error);
    if (known === undefined) return shortStack(error);
    const said = [known.message, known.hint ?? "", ...known.lines].join("\n");
    return /\b(undefined|NaN|\[object )|a bug in tbuild/.test(said)
      ? `says: ${said.slice(0, 300)}`
      : undefined;
  }
}

// Failures by place, not by number: each place is shown once.
function shortStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? "").split("\n").filter((line) => line.includes("/src/"));
  return [
    `${error.name}: ${error.message.replaceAll(/\d+/g, "N").slice(0, 200)}`,
    ...frames.slice(0, 3),
  ].join("\n");
}
