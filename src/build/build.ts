import type { GuestMode } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import type { Manifest } from "../model/manifest.ts";
import { withAdvice } from "./advice.ts";
import { megabytes } from "./cache/places.ts";
import type { FoundResult } from "./cache/results.ts";
import { buildLock, contextOf } from "./context.ts";
import type { BuildEvent } from "./event.ts";
import { gather } from "./gather.ts";
import type { OpenedSite } from "./opened-site.ts";
import type { PlannedStep } from "./planned.ts";
import { prepare } from "./prepare.ts";
import { writeBuildReport, writeFailureReport } from "./report/page.ts";
import type { BuildRequest } from "./request.ts";
import { type OnFailure, runPipeline, type Taken } from "./run-pipeline.ts";
import type { BuildContext } from "./step.ts";
import { StepTimes } from "./step-times.ts";
import { whereStepsWork } from "./where-steps-work.ts";

/** A build that stopped after the step given with `--until`. */
export interface StoppedBuild {
  readonly id: string;
  readonly folder: string;
  readonly until: string;
  /** The guest's disk as the step left it, if the guest already has one. */
  readonly disk?: string;
  readonly ran: Readonly<Record<string, number>>;
}

export interface BuildResult {
  readonly id: string;
  readonly folder: string;
  readonly bundleFolder: string;
  readonly manifest: Manifest;
  readonly report: string;
  /** Milliseconds by step in this run, without cached steps. */
  readonly ran: Readonly<Record<string, number>>;
  /** The recipe's further conversions of the same master. */
  readonly further: readonly GuestMode[];
}

/** Builds one recipe to a published template, using existing checkpoints. */
export async function build(
  opened: OpenedSite,
  request: BuildRequest,
  report: (build: string, event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<BuildResult | StoppedBuild> {
  const made = await gather(opened, request);
  const context = contextOf(opened, made, request, (event) => report(id, event), signal);
  const { id } = context;
  await using _lock = await buildLock(context);
  await makeFolders(context.folder);
  await context.home.checkpoints.close();
  const begun = Date.now();
  const times = new StepTimes(context.home.memory, context.name);
  const ran: Record<string, number> = {};
  let failed: string | undefined;
  const tell = context.report;
  const watched: BuildContext = {
    ...context,
    report(event) {
      if (event.type === "step-finished") ran[event.step] = event.ms;
      if (event.type === "step-started" && event.step === failed) failed = undefined;
      if (event.type === "step-failed") failed ??= event.step;
      tell(event);
    },
  };
  const { pipeline, planned, found, untried } = await prepare(made, request, watched, opened.results);
  const steps = planned.filter((step) => !step.kept).map((step) => step.step);
  watched.report({
    type: "build-started",
    build: id,
    steps,
    sideBySide: pipeline.stages
      .map((stage) => stage.flatMap(({ name }) => (steps.includes(name) ? name : [])))
      .filter((stage) => stage.length > 1),
    expected: await times.expected(),
  });
  if (untried !== undefined) watched.report({ type: "note", text: noTrial(untried) });
  try {
    const taken = found && (await take(watched, found));
    const state = await runPipeline(pipeline, watched, {
      fresh: request.fresh,
      taken,
      onFailure: request.onFailure ?? keepGuestFault,
      beforeStep: request.beforeStep,
    });
    await times.remember(ran);
    const finished = () => watched.report({ type: "build-finished", build: id, ms: Date.now() - begun });
    const { template, draft, bundleFolder } = state;
    if (template === undefined || draft === undefined || bundleFolder === undefined) {
      finished();
      const disk = state.image ?? state.disk;
      const until = request.until ?? "";
      return { id, folder: context.folder, until, ...(disk !== undefined && { disk }), ran };
    }
    const manifest = (await context.store.get(template)) ?? draft;
    if (!request.noCache && taken === undefined)
      await opened.results.share(made, watched, pipeline, template, request.fresh);
    const file = await writeBuildReport(context, {
      manifest,
      bundleFolder,
      timings: state.timings,
    });
    finished();
    const further = made.made.recipe.convert.map(({ to }) => to);
    return { id, folder: context.folder, bundleFolder, manifest, report: file, ran, further };
  } catch (error) {
    await times.remember(ran);
    watched.report({
      type: "build-failed",
      build: id,
      error: error instanceof Error ? error.message : String(error),
    });
    const last = failed ?? planned.find(({ kept, step }) => !kept && !(step in ran))?.step;
    // A failure to write the report must not hide the original error.
    await writeFailureReport(context, {
      error: error instanceof Error ? error.message : String(error),
      lines: error instanceof TbuildError ? error.lines : [],
      step: last,
    }).catch(() => {});
    throw await withAdvice(context, request, error);
  }
}

/** Fetches a result, as a step of its own. Returns `undefined` if that failed; then the result is built. */
async function take(context: BuildContext, found: FoundResult): Promise<Taken | undefined> {
  const { place, bytes } = found;
  const step = "take-result";
  const isThere = place === undefined;
  const begun = Date.now();
  if (!isThere)
    context.report({
      type: "step-started",
      step,
      index: 0,
      of: 0,
      text: `take the finished template from the cache ${place} (${megabytes(bytes)})`,
    });
  const taken = await found.take((text, done, total) =>
    context.report({
      type: "progress",
      step,
      text,
      ...(done !== undefined && total !== undefined && { done, total }),
    }),
  );
  if (!isThere && taken) context.report({ type: "step-finished", step, ms: Date.now() - begun });
  return taken;
}

/** What `build` would do, step by step. Changes nothing. */
export async function plan(
  opened: OpenedSite,
  request: BuildRequest,
): Promise<{
  id: string;
  steps: readonly PlannedStep[];
  /** The number of bytes to fetch from the cache. */
  fetched?: number;
  notes: string[];
  further: readonly GuestMode[];
}> {
  const made = await gather(opened, request);
  const notes: string[] = [];
  const note = (event: BuildEvent) => {
    if (event.type === "note") notes.push(event.text);
  };
  const context = contextOf(opened, made, request, note, new AbortController().signal);
  const { pipeline, planned, found, untried } = await prepare(made, request, context, opened.results);
  return {
    id: context.id,
    steps: planned,
    ...(found?.place !== undefined && { fetched: found.bytes }),
    notes: [
      ...notes,
      ...(untried === undefined ? [] : [noTrial(untried)]),
      ...whereStepsWork(context, pipeline, planned, made.made.recipe),
    ],
    further: made.made.recipe.convert.map(({ to }) => to),
  };
}

function noTrial(why: string): string {
  return `no boot trial: ${why}; the image is audited, but not booted`;
}

/** After a guest's fault, its machine can be examined. Other failures have nothing to do with the machine. */
export const keepGuestFault: OnFailure = async ({ error }) =>
  error instanceof TbuildError && error.fault === "guest" ? "keep" : "clean";
