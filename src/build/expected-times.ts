import { readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import type { Home } from "./home.ts";

/** Recipe → step → milliseconds. */
const Times = z.record(z.string(), z.record(z.string(), z.number()));
type Times = z.infer<typeof Times>;

/** Recent durations of each step in ms: of this recipe, otherwise of any recipe. */
export async function expectedTimes(home: Home, recipe: string): Promise<Readonly<Record<string, number>>> {
  const times = await read(home);
  const any = Object.assign({}, ...Object.values(times)) as Record<string, number>;
  return { ...any, ...times[recipe] };
}

/** Updates the estimates from a run: half old value, half new. */
export async function rememberTimes(
  home: Home,
  recipe: string,
  ran: Readonly<Record<string, number>>,
): Promise<void> {
  const times = await read(home);
  const known = times[recipe] ?? {};
  for (const [step, ms] of Object.entries(ran)) known[step] = Math.round(((known[step] ?? ms) + ms) / 2);
  times[recipe] = known;
  const file = fileOf(home);
  await makeFolders(dirname(file));
  await writeFile(`${file}.${process.pid}`, JSON.stringify(times));
  await rename(`${file}.${process.pid}`, file);
}

// These are only estimates, so an unreadable file counts as none.
async function read(home: Home): Promise<Times> {
  const text = await readFile(fileOf(home), "utf8").catch(() => "{}");
  try {
    return Times.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

function fileOf(home: Home): string {
  return join(home.memory, "step-times.json");
}
