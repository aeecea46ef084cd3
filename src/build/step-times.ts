import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../host/partial-file.ts";

/** Recipe → step → milliseconds. */
const Times = z.record(z.string(), z.record(z.string(), z.number()));
type Times = z.infer<typeof Times>;

/** How long the steps of earlier builds took. */
export class StepTimes {
  private readonly file: string;
  private readonly recipe: string;

  /** `memory`: the home's folder for such facts. */
  constructor(memory: string, recipe: string) {
    this.file = join(memory, "step-times.json");
    this.recipe = recipe;
  }

  /** Recent durations of each step in ms: of this recipe, otherwise of any recipe. */
  async expected(): Promise<Readonly<Record<string, number>>> {
    const times = await this.read();
    const any = Object.assign({}, ...Object.values(times)) as Record<string, number>;
    return { ...any, ...times[this.recipe] };
  }

  /** Updates the estimates from a run: half old value, half new. Without room for them, the old ones stay. */
  async remember(ran: Readonly<Record<string, number>>): Promise<void> {
    const times = await this.read();
    const known = times[this.recipe] ?? {};
    for (const [step, ms] of Object.entries(ran)) known[step] = Math.round(((known[step] ?? ms) + ms) / 2);
    times[this.recipe] = known;
    await replaceFile(this.file, JSON.stringify(times)).catch(() => {});
  }

  // These are only estimates, so an unreadable file is ignored.
  private async read(): Promise<Times> {
    const text = await readFile(this.file, "utf8").catch(() => "{}");
    try {
      return Times.parse(JSON.parse(text));
    } catch {
      return {};
    }
  }
}
