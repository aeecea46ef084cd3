import type { Command } from "commander";
import { z } from "zod";
import { type BuildResult, build, type StoppedBuild } from "../../build/build.ts";
import { inGroups } from "../../build/lineage.ts";
import { type OpenedSite, recipeFolders } from "../../build/opened-site.ts";
import { prove } from "../../build/preflight.ts";
import type { BuildRequest } from "../../build/request.ts";
import { Interrupted, TbuildError, together } from "../../errors.ts";
import { eachInParallel } from "../../io/parallel.ts";
import { amount } from "../../io/units.ts";
import { recipeNames } from "../../recipe/load.ts";
import { type Finder, finder } from "../../store/records/finder.ts";
import { interruptible } from "../interrupt.ts";
import { liveView } from "../live-view.ts";
import { openSite } from "../open-site.ts";
import { onFailureOf, requireSomebody, stopBefore } from "../questions.ts";
import { folderReporter, jsonReporter, lineReporter, type Reporter } from "../reporter.ts";
import { stoppedWords, summaryOf } from "../summary.ts";
import { coloursFor } from "../words.ts";

const Options = z.object({
  rehearse: z.boolean().default(false),
  fresh: z.boolean().default(false),
  cache: z.boolean().default(true),
  trial: z.boolean().default(true),
  keep: z.boolean().default(true),
  onError: z.enum(["ask", "keep", "clean", "retry"]).optional(),
  debug: z.boolean().default(false),
  jobs: z.coerce.number().int().min(1).max(64),
  json: z.boolean().default(false),
  verbose: z.boolean().default(false),
  list: z.boolean().default(false),
  changedSince: z.string().optional(),
  matrix: z.boolean().default(false),
  withBases: z.boolean().default(false),
  until: z.string().optional(),
});
type Options = z.infer<typeof Options>;

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const parsed = Options.safeParse(command.opts());
  if (!parsed.success)
    throw new TbuildError("usage", `--jobs ${command.opts().jobs}: not a number from 1 to 64`, {
      hint: "For example --jobs 2.",
    });
  const options = parsed.data;
  const opened = await openSite(command);
  if (options.matrix && options.changedSince === undefined)
    throw new TbuildError("usage", "--matrix requires --changed-since", {
      hint: "For example: tbuild recipe --changed-since origin/main --matrix",
    });
  if (options.changedSince !== undefined) {
    const { run } = await import("./recipe-changed.ts");
    return run(opened, args[0] as string[], options.changedSince, options.matrix || options.json);
  }
  const names = await wantedNames(args[0] as string[], options, opened);
  if (names === undefined) return;
  const onError = options.onError ?? (options.keep ? undefined : "clean");
  if (options.debug) requireSomebody("--debug", options);
  if (onError === "ask") requireSomebody("--on-error ask", options);
  const screen = screenFor(options);
  try {
    const whatStays = "finished steps are cached; the same command continues";
    const work = async (signal: AbortSignal) => {
      const asking = { opened, screen, signal };
      const onFailure = onFailureOf(onError, asking);
      const groups = await inGroups(opened, names, options.withBases);
      const requestOf = (name: string) => ({
        name,
        rehearse: options.rehearse,
        fresh: options.fresh && names.includes(name),
        noCache: !options.cache,
        noTrial: !options.trial,
        ...(onFailure && { onFailure }),
        ...(options.debug && { beforeStep: stopBefore(asking) }),
        // `--until` does not apply to bases, because the recipes need their finished templates.
        ...(options.until !== undefined && names.includes(name) && { until: options.until }),
      });
      const outcomes: Outcome[] = [];
      for (const [index, group] of groups.entries()) {
        const requests = group.map(requestOf);
        await prove(opened, requests, groups.slice(index + 1).flat());
        outcomes.push(...(await buildAll(opened, requests, options.jobs, screen, signal)));
        if (outcomes.some((one) => "error" in one)) break;
      }
      screen.close();
      await report(outcomes, options, finder(opened.store, opened.records));
    };
    await interruptible(whatStays, work, screen.say);
  } finally {
    screen.close();
  }
}

type Outcome =
  | { readonly name: string; readonly result: BuildResult | StoppedBuild }
  | { readonly name: string; readonly error: unknown };

/** Builds all recipes, several in parallel. A failure does not stop the others; Ctrl-C stops all. */
async function buildAll(
  opened: OpenedSite,
  requests: readonly BuildRequest[],
  jobs: number,
  screen: Reporter,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await eachInParallel(requests, jobs, async (request) => {
    const outcome = await buildOne(opened, request, screen, signal);
    outcomes.push(outcome);
    // Uses the master that was just built, even with --fresh.
    for (const to of "result" in outcome && "further" in outcome.result ? outcome.result.further : [])
      outcomes.push(await buildOne(opened, { ...request, fresh: false, to }, screen, signal));
  });
  return outcomes;
}

async function buildOne(
  opened: OpenedSite,
  request: BuildRequest,
  screen: Reporter,
  signal: AbortSignal,
): Promise<Outcome> {
  let log: Reporter | undefined;
  try {
    const result = await build(
      opened,
      request,
      (id, event) => {
        log ??= folderReporter(`${opened.home.builds}/${id}`);
        log.event(id, event);
        screen.event(id, event);
      },
      signal,
    );
    return { name: request.name, result };
  } catch (error) {
    return { name: request.name, error };
  }
}

async function report(outcomes: readonly Outcome[], options: Options, find: Finder): Promise<void> {
  const colours = coloursFor(process.stdout);
  for (const outcome of outcomes) {
    if (!("result" in outcome)) continue;
    const { result } = outcome;
    if ("until" in result) {
      process.stdout.write(
        options.json ? `${JSON.stringify({ type: "result", ...result })}\n` : `${stoppedWords(result)}\n`,
      );
      continue;
    }
    const before = await find.previous(result);
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ type: "result", ...result })}\n`
        : `${summaryOf(result, before?.manifest, colours)}\n`,
    );
  }
  const failed = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
  const interrupted = failed.find((error) => error instanceof Interrupted);
  if (interrupted) throw interrupted;
  if (failed.length === 0) return;
  throw together(failed, `${failed.length} of ${amount(outcomes.length, "build")} failed`);
}

async function wantedNames(
  given: readonly string[],
  options: Options,
  opened: OpenedSite,
): Promise<readonly string[] | undefined> {
  if (given.length > 0 && !options.list) return [...new Set(given)];
  const names = await recipeNames(recipeFolders(opened));
  if (!options.list)
    throw new TbuildError("usage", "no recipe named", { hint: `Available: ${names.join(", ")}.` });
  process.stdout.write(names.map((name) => `${name}\n`).join(""));
  return undefined;
}

// Progress goes to stderr, results to stdout; with --json both are one stream of JSON lines on stdout.
function screenFor(options: Options): Reporter {
  if (options.json) return jsonReporter((line) => process.stdout.write(`${line}\n`));
  if (process.stderr.isTTY && !options.verbose) return liveView(process.stderr, coloursFor(process.stderr));
  return lineReporter((line) => process.stderr.write(`${line}\n`), options);
}
