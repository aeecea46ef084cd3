import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type DomainType, type GuestMode, modeOf } from "../choices.ts";
import { Interrupted, TbuildError, together } from "../errors.ts";
import { checkModules, findingLine, type RecipePackages } from "../firstboot/check/index.ts";
import { cloneDetectionDigest } from "../firstboot/clone-detection.ts";
import { readModule } from "../firstboot/module.ts";
import { type Major, releases } from "../guest/release.ts";
import type { Host } from "../host/host.ts";
import { tryLock } from "../host/lock.ts";
import type { Additions, Hypervisor } from "../hypervisor/hypervisor.ts";
import { makeFolders } from "../io/folders.ts";
import type { SecretFinder } from "../io/secret-source.ts";
import { kickstartFaults, type PlacedFault, refuseFaults } from "../kickstart/check-recipe.ts";
import {
  type BuildSecrets,
  type KickstartTemplate,
  noSecrets,
  renderKickstart,
} from "../kickstart/render.ts";
import { type Digest, digestOf as sha256 } from "../model/digest.ts";
import type { Manifest } from "../model/manifest.ts";
import { contentOf } from "../provision/acts.ts";
import { type PostOptions, postProvisioning } from "../provision/post-script.ts";
import { type LoadedRecipe, loadRecipe, moduleFolders } from "../recipe/load.ts";
import type { Located } from "../recipe/located.ts";
import { installedAdditions, majorOf, type Recipe } from "../recipe/recipe.ts";
import { rules } from "../recipe/rules.ts";
import type { Site } from "../recipe/site.ts";
import { builderDigest } from "../rehearsal/medium.ts";
import type { Records } from "../store/records/records.ts";
import type { Store } from "../store/store.ts";
import { baseOf } from "./base.ts";
import { closeCheckpoints } from "./checkpoint.ts";
import type { BuildEvent } from "./event.ts";
import { expectedTimes, rememberTimes } from "./expected-times.ts";
import type { Home } from "./home.ts";
import { gitState } from "./manifest.ts";
import type { Ingredients } from "./master.ts";
import { type PlannedStep, planOf, runPipeline, untilStep } from "./pipeline.ts";
import { digestOf, provisionInputs } from "./recipe-inputs.ts";
import { writeBuildReport, writeFailureReport } from "./report/page.ts";
import { mirrorsFor } from "./repository-server.ts";
import { passwordHashes, provePasswords } from "./secrets.ts";
import { shipped } from "./shipped.ts";
import type { BuildContext } from "./step.ts";
import { fetchIso, makeMedium, proveDisc } from "./steps/fetch-medium.ts";
import { takeBase } from "./steps/take-base.ts";
import { planTemplate } from "./template.ts";

/** An opened site, which builds use. */
export interface Workshop {
  readonly home: Home;
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly store: Store;
  readonly records: Records;
  readonly site: Site;
  readonly recipes: string;
  readonly kickstarts: string;
  /** Settings of the site, environment and command line for every recipe. */
  readonly values: readonly Located[];
  /** Environment variables, for secrets that a recipe refers to. */
  readonly environment: SecretFinder;
  readonly tbuild: string;
}

export interface BuildRequest {
  readonly name: string;
  readonly rehearse: boolean;
  /** Use no checkpoints. */
  readonly fresh: boolean;
  /** Keep the machine of a failed step for inspection. */
  readonly keep: boolean;
  /** The further conversion of the recipe that is wanted, in place of the template itself. */
  readonly to?: GuestMode;
  /** Stop after this step. */
  readonly until?: string;
}

/** A build that stopped after the step that its caller named. */
export interface StoppedBuild {
  readonly id: string;
  readonly folder: string;
  readonly until: string;
  /** The guest's disk as the step left it, if it has one already. */
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
  /** What the recipe converts the same master for as well. */
  readonly further: readonly GuestMode[];
}

/**
 * Resolves all recipes, and checks what their builds need before the first step: disc, passwords, programs. Throws one
 * error that lists everything missing.
 */
export async function prove(workshop: Workshop, requests: readonly BuildRequest[]): Promise<void> {
  const faults: unknown[] = [];
  const names = new Map<string, string>();
  for (const request of requests)
    await proveOne(workshop, request, names).catch((error: unknown) => faults.push(error));
  if (faults.length > 0)
    throw together(faults, `${faults.length} of ${requests.length} recipes cannot be built`);
}

async function proveOne(
  workshop: Workshop,
  request: BuildRequest,
  names: Map<string, string>,
): Promise<void> {
  const made = await gather(workshop, request);
  const { recipe, folder } = made;
  for (const name of [recipe.name, ...recipe.convert.map(({ to }) => furtherName(recipe, to))]) {
    const other = names.get(name);
    if (other !== undefined)
      throw new TbuildError("usage", `${request.name} and ${other} are both named ${name}`, {
        hint: "Give one of them another `name`, or build one of them only.",
      });
    names.set(name, request.name);
  }
  const context = contextOf(workshop, made, request, () => {}, new AbortController().signal);
  const planned = await planOf(pipelineOf(workshop, made, request), context, request.fresh);
  const steps = planned.filter((step) => !step.kept).map((step) => step.step);
  if (steps.includes("fetch-medium") && !request.rehearse) await proveDisc(recipe, workshop.home.isoFolder);
  // A cached guest already has its passwords.
  if (steps.includes("provision-guest")) await provePasswords(recipe, folder, workshop.environment);
  await checkSite(context, steps);
}

/** Builds one recipe to a published template, using existing checkpoints. */
export async function build(
  workshop: Workshop,
  request: BuildRequest,
  report: (build: string, event: BuildEvent) => void,
  signal: AbortSignal,
): Promise<BuildResult | StoppedBuild> {
  const made = await gather(workshop, request);
  const context = contextOf(workshop, made, request, (event) => report(id, event), signal);
  const { id } = context;
  await using _lock = await buildLock(context);
  await makeFolders(context.folder);
  await closeCheckpoints(context.home.checkpoints);
  const begun = Date.now();
  const pipeline = pipelineOf(workshop, made, request);
  const ran: Record<string, number> = {};
  const tell = context.report;
  const watched: BuildContext = {
    ...context,
    report(event) {
      if (event.type === "step-finished") ran[event.step] = event.ms;
      tell(event);
    },
  };
  const planned = await planOf(pipeline, watched, request.fresh);
  const steps = planned.filter((step) => !step.kept).map((step) => step.step);
  watched.report({
    type: "build-started",
    build: id,
    steps,
    expected: await expectedTimes(context.home, context.name),
  });
  if (trialMode(workshop, made, request) === undefined)
    watched.report({ type: "note", text: noTrial(workshop, made, request) });
  try {
    const state = await runPipeline(pipeline, watched, {
      fresh: request.fresh,
      keepOnFailure: (error) => request.keep && isGuestFault(error),
    });
    await rememberTimes(context.home, context.name, ran);
    const finished = () => watched.report({ type: "build-finished", build: id, ms: Date.now() - begun });
    const { template, draft, bundleFolder } = state;
    if (template === undefined || draft === undefined || bundleFolder === undefined) {
      finished();
      const disk = state.image ?? state.disk;
      const until = request.until ?? "";
      return { id, folder: context.folder, until, ...(disk !== undefined && { disk }), ran };
    }
    const manifest = (await context.store.get(template)) ?? draft;
    const file = await writeBuildReport(context, {
      manifest,
      bundleFolder,
      timings: state.timings,
    });
    finished();
    const further = made.made.recipe.convert.map(({ to }) => to);
    return { id, folder: context.folder, bundleFolder, manifest, report: file, ran, further };
  } catch (error) {
    await rememberTimes(context.home, context.name, ran);
    watched.report({
      type: "build-failed",
      build: id,
      error: error instanceof Error ? error.message : String(error),
    });
    const last = planned.find(({ kept, step }) => !kept && !(step in ran));
    // A failure to write the report must not hide the original error.
    await writeFailureReport(context, {
      error: error instanceof Error ? error.message : String(error),
      lines: error instanceof TbuildError ? error.lines : [],
      step: last?.step,
    }).catch(() => {});
    throw await withAdvice(context, request, error);
  }
}

function pipelineOf(workshop: Workshop, made: Ingredients, request: BuildRequest) {
  return untilStep(planTemplate(made, trialMode(workshop, made, request)), request.until);
}

/** What `build` would do, step by step. Changes nothing. */
export async function plan(
  workshop: Workshop,
  request: BuildRequest,
): Promise<{ id: string; steps: PlannedStep[]; notes: string[]; further: readonly GuestMode[] }> {
  const made = await gather(workshop, request);
  const context = contextOf(workshop, made, request, () => {}, new AbortController().signal);
  const trial = trialMode(workshop, made, request);
  return {
    id: context.id,
    steps: await planOf(pipelineOf(workshop, made, request), context, request.fresh),
    notes: trial ? [] : [noTrial(workshop, made, request)],
    further: made.made.recipe.convert.map(({ to }) => to),
  };
}

/** A validated recipe, with the values of the site and the caller merged over it. */
export async function recipeOf(workshop: Workshop, name: string): Promise<LoadedRecipe> {
  return loadRecipe(recipeFolders(workshop), name, rules, workshop.values);
}

/** The folders in which recipes and modules are searched, nearest first. */
export function recipeFolders({ recipes }: Pick<Workshop, "recipes">): string[] {
  return [...new Set([recipes, shipped.recipes])];
}

/** The kickstart of a recipe, with placeholders for secrets that are not given, and the findings of its release's installer. */
export async function kickstartOf(
  workshop: Workshop,
  name: string,
  secrets: BuildSecrets = noSecrets,
): Promise<{ text: string; faults: PlacedFault[]; release: string }> {
  const loaded = await recipeOf(workshop, name);
  const { recipe } = loaded;
  const template = await readTemplate(
    [workshop.kickstarts, shipped.kickstarts],
    recipe.kickstart ?? recipe.release,
  );
  const rendered = await renderKickstart(
    recipe,
    template,
    secrets,
    secrets === noSecrets
      ? await shownPost(loaded, inBuild(workshop.site))
      : await realPost(workshop, loaded),
  );
  return {
    text: rendered.text,
    faults: kickstartFaults(rendered, loaded),
    release: `OL${majorOf(recipe.release)}.${recipe.update}`,
  };
}

/** How a guest reaches repositories. */
type WayOut = Pick<PostOptions, "mirrors" | "proxy">;

// For a machine that is not built here: it sees no folder of this one.
async function realPost({ host, environment, site }: Workshop, { recipe, file }: LoadedRecipe) {
  if (recipe.provision !== "post") return undefined;
  const folder = dirname(file);
  const passwords = await passwordHashes(recipe, host, folder, environment);
  const mirrors = Object.fromEntries(
    Object.entries(site.mirrors).filter(([, where]) => /^(https?|ftp):/.test(where)),
  );
  return postProvisioning(recipe, { folder, passwords, ...wayOut(mirrors, site.proxy) });
}

// With passwords as placeholders.
async function shownPost({ recipe, file }: LoadedRecipe, way: WayOut) {
  if (recipe.provision !== "post") return undefined;
  const passwords = Object.fromEntries(
    recipe.users.filter((user) => user.password).map((user) => [user.name, "@PASSWORD-HASH@"]),
  );
  return postProvisioning(recipe, { folder: dirname(file), passwords, ...way });
}

// A build serves the folders on a port that is free then.
function inBuild({ mirrors, proxy }: Site): WayOut {
  return wayOut(mirrorsFor(mirrors, {}).urls(80), proxy);
}

function wayOut(mirrors: Readonly<Record<string, string>>, proxy: string | undefined): WayOut {
  return proxy === undefined ? { mirrors } : { mirrors, proxy };
}

// The rehearsal's medium installs tbuild's own additions; Oracle's channels have Oracle's.
function additionsOf(request: BuildRequest): Additions {
  return request.rehearse ? "tbuild" : "oracle";
}

/** What clones of the template are booted as; `undefined` where there is no boot trial. */
function trialMode(
  { hypervisor }: Workshop,
  { made: { recipe, mode } }: Ingredients,
  request: BuildRequest,
): GuestMode | undefined {
  const isReached =
    recipe.firstBoot.detect === "mac" || hypervisor.messages?.reaches.includes(additionsOf(request));
  if (recipe.trial.clones === 0 || !isReached) return undefined;
  // A converted image still boots as HVM.
  return hypervisor.domainTypes.includes(mode) ? mode : "hvm";
}

function noTrial({ hypervisor }: Workshop, { recipe }: Ingredients, request: BuildRequest): string {
  const why =
    recipe.trial.clones === 0
      ? "the recipe asks for no clones"
      : `${hypervisor.name} has no channel for the first-boot messages of ${additionsOf(request) === "oracle" ? "Oracle's" : "tbuild's"} guest additions`;
  return `no boot trial: ${why}; the image is audited, but not booted`;
}

// A module that fails at first boot costs a whole build, so it is refused before one begins.
async function refuseBrokenModules(recipe: Recipe, folders: readonly string[]): Promise<void> {
  const major = majorOf(recipe.release) as Major;
  const forRelease = { name: `ol${major}`, python: releases[major].python };
  const { findings } = await checkModules(folders, [forRelease], true, packagesOf(recipe));
  const errors = findings.filter(({ level }) => level === "error");
  if (errors.length > 0)
    throw new TbuildError(
      "usage",
      `${errors.length === 1 ? "1 error" : `${errors.length} errors`} in its first-boot modules`,
      {
        subject: recipe.name,
        lines: errors.map(findingLine),
        hint: "To see the warnings as well: tbuild module check",
      },
    );
}

function packagesOf(recipe: Recipe): RecipePackages {
  const { base, install, exclude, remove } = recipe.packages;
  const ntp = recipe.ntp.length > 0 && majorOf(recipe.release) <= 6 ? ["ntp"] : [];
  const named = [...base, ...install, ...ntp, ...(installedAdditions(recipe)?.packages ?? [])];
  return {
    installed: new Set(named),
    leftOut: new Set([...exclude, ...remove]),
    hasGroups: named.some((name) => name.startsWith("@")),
  };
}

/** Reads everything that a recipe refers to. All errors of the recipe are found here, before anything changes. */
export async function gather(
  workshop: Workshop,
  request: Pick<BuildRequest, "name" | "rehearse" | "to">,
): Promise<Ingredients> {
  const loaded = await recipeOf(workshop, request.name);
  const { recipe, file } = loaded;
  const folder = dirname(file);
  const template = await readTemplate(
    [workshop.kickstarts, shipped.kickstarts],
    recipe.kickstart ?? recipe.release,
  );
  const moduleFolders = await Promise.all(
    recipe.modules.map((name) => moduleFolder(name, file, recipeFolders(workshop))),
  );
  await refuseBrokenModules(recipe, moduleFolders);
  const modules = await Promise.all(moduleFolders.map((one) => readModule(one)));
  const git = await gitState(workshop.host, ownFolders(workshop, [folder, template.folder]));
  const rendered = await renderKickstart(
    recipe,
    template,
    noSecrets,
    await shownPost(loaded, { mirrors: {} }),
  );
  const base = await baseOf(recipe, request.rehearse, workshop);
  if (!base) refuseFaults(request.name, kickstartFaults(rendered, loaded));
  const { text } = rendered;
  // The name and version in the first line affect nothing.
  const kickstartDigest = digestOf(text.replace(/^#.*\n/, ""));
  if (request.rehearse && recipe.machine.firmware === "uefi")
    throw new TbuildError("usage", `${request.name}: the rehearsal medium installs for a BIOS only`, {
      hint: "Rehearse with --set machine.firmware=bios, or build without --rehearse.",
    });
  const builder = request.rehearse ? await builderDigest() : undefined;
  const medium =
    builder === undefined ? fetchIso(recipe, workshop.home.isoFolder) : makeMedium(recipe, builder);
  const inputs = {
    ...(!base && { kickstart: sha256(text) }),
    ...Object.fromEntries(modules.map((module) => [`module:${module.name}`, sha256(module.digest)])),
    ...(await digestsOf(recipe, folder)),
  };
  const frameOf = (one: Recipe) => ({
    ...{ recipeText: JSON.stringify(one), inputs, tbuild: workshop.tbuild },
    ...(git && { git }),
  });
  const madeOf = { recipe: converted(recipe, request.to), mode: request.to ?? modeOf[recipe.domainType] };
  return {
    recipe,
    folder,
    medium,
    ...(base && { base: takeBase(recipe, base, builder) }),
    kickstart: template,
    kickstartDigest,
    provisionInputs: await provisionInputs(recipe, folder),
    modules,
    ...(recipe.firstBoot.detect === "mac" && { cloneDetection: await cloneDetectionDigest() }),
    frame: frameOf(recipe),
    made: { ...madeOf, frame: frameOf(madeOf.recipe) },
  };
}

// Oracle VM's types have none for KVM, whose guests are started as HVM guests are.
const typeOf = {
  pvm: "XEN_PVM",
  pvhvm: "XEN_HVM_PV_DRIVERS",
  hvm: "XEN_HVM",
  kvm: "XEN_HVM",
} as const satisfies Record<GuestMode, DomainType>;

/** A recipe as that of one of its further conversions. */
function converted(recipe: Recipe, to: GuestMode | undefined): Recipe {
  if (to === undefined) return recipe;
  const bundles = recipe.convert.find((one) => one.to === to)?.bundles ?? recipe.bundles;
  return { ...recipe, name: furtherName(recipe, to), domainType: typeOf[to], bundles, convert: [] };
}

function furtherName({ name }: Recipe, to: GuestMode): string {
  return `${name}-${to}`;
}

// An installed package is in no git repository, even where one is around its node_modules.
function ownFolders({ recipes }: Workshop, folders: readonly string[]): string[] {
  const foreign: string[] = recipes === shipped.recipes ? [] : [shipped.recipes, shipped.kickstarts];
  return folders.filter((folder) => !foreign.includes(folder));
}

async function moduleFolder(name: string, file: string, recipes: readonly string[]): Promise<string> {
  const folders = moduleFolders(file, recipes).map((folder) => join(folder, name));
  for (const folder of folders)
    if ((await readdir(folder).catch(() => undefined)) !== undefined) return folder;
  return folders[0] ?? name;
}

/** The recipe's files and scripts, which may be in separate files. */
async function digestsOf(recipe: Recipe, folder: string): Promise<Record<string, Digest>> {
  const digests: Record<string, Digest> = {};
  for (const { path, content, from } of recipe.files)
    digests[`file:${path}`] = sha256(await contentOf(folder, content, from));
  for (const { name, run, from } of recipe.scripts)
    digests[`script:${name}`] = sha256(await contentOf(folder, run, from));
  return digests;
}

function contextOf(
  workshop: Workshop,
  made: Ingredients,
  request: BuildRequest,
  report: (event: BuildEvent) => void,
  signal: AbortSignal,
): BuildContext {
  const { recipe, frame } = made.made;
  const name = `${recipe.name}${request.rehearse ? "-rehearsal" : ""}`;
  const id = `${name}-${digestOf(frame.recipeText).slice(0, 6)}`;
  const { home, host, hypervisor, site, store, records, environment, tbuild } = workshop;
  return {
    id,
    name,
    rehearsal: request.rehearse,
    folder: join(home.builds, id),
    home,
    host,
    hypervisor,
    site,
    store,
    environment,
    records,
    report,
    signal,
    tbuild,
  };
}

/** The kickstart from the first folder that has it. Partials come from all folders, nearest first. */
async function readTemplate(
  folders: readonly string[],
  name: string,
): Promise<KickstartTemplate & { readonly folder: string }> {
  const listed = await Promise.all(folders.map((folder) => readdir(folder).catch((): string[] => [])));
  const at = listed.findIndex((entries) => entries.includes(`${name}.ks.hbs`));
  const folder = folders[at];
  if (folder === undefined) {
    const names = listed
      .flat()
      .filter((entry) => entry.endsWith(".ks.hbs"))
      .map((entry) => entry.replace(".ks.hbs", ""));
    throw new TbuildError("usage", `kickstart/${name}.ks.hbs: no such kickstart`, {
      hint: `Available: ${[...new Set(names)].sort().join(", ") || "none"}.`,
    });
  }
  const text = await readFile(join(folder, `${name}.ks.hbs`), "utf8");
  const partials: Record<string, string> = {};
  for (const one of [...folders].reverse())
    for (const entry of await readdir(join(one, "partials")).catch(() => []))
      if (entry.endsWith(".hbs"))
        partials[entry.slice(0, -".hbs".length)] = await readFile(join(one, "partials", entry), "utf8");
  return { name, text, partials, folder };
}

async function buildLock(context: BuildContext) {
  const got = await tryLock(join(context.home.builds, `${context.name}.lock`));
  if ("release" in got) return got;
  throw new TbuildError(
    "environment",
    `is being built already, by process ${got.heldBy}${got.on === undefined ? "" : ` on ${got.on}`}`,
    { subject: context.name, hint: "Wait until it ends, or stop it (Ctrl-C in its terminal)." },
  );
}

// Nothing that boots a machine is started before the tools for it are known to be there.
async function checkSite(context: BuildContext, steps: readonly string[]): Promise<void> {
  if (
    steps.some((step) => ["install-guest", "provision-guest", "inject-modules", "boot-trial"].includes(step))
  )
    await context.hypervisor.check();
}

function isGuestFault(error: unknown): boolean {
  return error instanceof TbuildError && error.fault === "guest";
}

/** Suggests the next commands for this build. */
async function withAdvice(context: BuildContext, request: BuildRequest, error: unknown): Promise<unknown> {
  if (!(error instanceof TbuildError) || error instanceof Interrupted) return error;
  const again = `tbuild recipe ${request.name}${request.rehearse ? " --rehearse" : ""}`;
  const machines = (await context.hypervisor.list()).filter((name) => name.startsWith(`${context.id}-`));
  const running = [];
  for (const machine of machines)
    if ((await context.hypervisor.state(machine)) === "running") running.push(machine);
  const look = running.flatMap((machine) => [
    `look at it:     tbuild console ${machine}`,
    `log in:         tbuild console ${machine} --ssh`,
  ]);
  const lines = [
    ...error.lines,
    "",
    `log:            ${join(context.folder, "log.txt")}`,
    `report:         ${join(context.folder, "report.html")}`,
    ...look,
    ...(machines.length > 0 ? [`throw it away:  tbuild clean ${context.id}`] : []),
    `go on:          ${again}   (what is done is kept)`,
  ];
  return error.within(context.name, { lines });
}
