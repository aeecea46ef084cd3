import type { Digest } from "../../model/digest.ts";
import { type Manifest, manifestDigest, workTime } from "../../model/manifest.ts";
import { type EntryThere, findEntry, pushEntry } from "../../store/exchange/oci/cache.ts";
import type { Reference } from "../../store/exchange/oci/reference.ts";
import type { RegistryOpener } from "../../store/exchange/oci/registry.ts";
import { readPacks } from "../../store/folder/packs.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Taken } from "../run-pipeline.ts";
import type { BuildContext } from "../step.ts";
import { type Ask, asker } from "./ask-registry.ts";
import { fetchResult, packed } from "./fetch.ts";
import { entryPlace, megabytes, shortReference } from "./places.ts";
import type { Made } from "./recipe-facts.ts";
import { distrustOf, refusalOf } from "./refusal.ts";
import { resultKey } from "./result-key.ts";
import { keepTaken, takenBefore } from "./taken-checkpoint.ts";

/** The time limit for a registry to answer whether it has a result. */
const lookupMs = 20_000;
/** The time limit for a download, unless the build that it replaces took longer. */
const leastDownloadMs = 120_000;
const otherwise = "it is built here";

type Say = (text: string, done?: number, total?: number) => void;

/** A finished build that need not be repeated. */
export interface FoundResult {
  /** Its reference; `undefined` for a result that was fetched earlier. */
  readonly place?: string;
  /** The number of bytes to fetch. */
  readonly bytes: number;
  /** Fetches it. Returns `undefined` after a failure, which has then been reported. */
  take(progress: Say): Promise<Taken | undefined>;
}

/** The registries of the site through which builders share finished builds. A failure never ends a build. */
export interface Results {
  find<S extends object>(
    made: Made,
    context: BuildContext,
    pipeline: Pipeline<S>,
  ): Promise<FoundResult | undefined>;
  /** Pushes a finished build. With `fresh`, it replaces an earlier one. */
  share<S extends object>(
    made: Made,
    context: BuildContext,
    pipeline: Pipeline<S>,
    template: Digest,
    fresh: boolean,
  ): Promise<void>;
}

type Place = Reference & { readonly which: string };
interface CacheAccess {
  readonly ask: Ask;
  readonly waitMs: number;
  open(context: BuildContext, reference: Reference, signal: AbortSignal): ReturnType<RegistryOpener>;
}

export function openResults(openRegistry: RegistryOpener, waitMs = lookupMs): Results {
  const access: CacheAccess = {
    ask: asker(),
    waitMs,
    open: (context, reference, signal) =>
      openRegistry(reference, { plainHttp: context.site.cache?.plainHttp === true, signal }),
  };
  return {
    async find(made, context, pipeline) {
      if (context.site.cache === undefined) return undefined;
      const known = await resultKey(pipeline, context.rehearsal);
      if (known === undefined) return undefined;
      if ("why" in known) {
        context.report({ type: "note", text: `not shared through the cache: ${known.why}` });
        return undefined;
      }
      const here = await takenBefore(made, context, pipeline, known.key);
      if (here) return { bytes: 0, take: async () => here };
      for (const at of context.site.cache.from) {
        const reference = { ...entryPlace(at, context.name), which: known.key };
        const there = await entryAt(access, made, context, at, reference);
        if (!there) continue;
        return {
          place: shortReference(reference),
          bytes: await missingBytes(context, there),
          take: (progress) => take(access, { made, context, pipeline, at, reference, there, progress }),
        };
      }
      return undefined;
    },

    async share(made, context, pipeline, template, fresh) {
      const to = context.site.cache?.to;
      const known = to === undefined ? undefined : await resultKey(pipeline, context.rehearsal);
      if (to === undefined || known === undefined || "why" in known) return;
      const reference = { ...entryPlace(to, context.name), which: known.key };
      const passwords = await made.passwords.marks().catch(() => undefined);
      if (passwords === undefined) {
        const text = "not shared through the cache: a password of the recipe is not available here";
        context.report({ type: "note", text });
        return;
      }
      await access.ask(context, { place: to, otherwise: "the result was not shared" }, async (signal) => {
        const manifest = await context.store.get(template);
        if (!manifest) throw new Error(`the template ${template} was published just now`);
        const there = await access.ask(
          context,
          { place: to, otherwise: "it is replaced", ms: waitMs },
          async (soon) => findEntry(reference, await access.open(context, reference, soon)),
        );
        if (there?.entry.template === template) return;
        const where = shortReference(reference);
        if (there && !fresh && (await distrustOf(context, known.key, there)) === undefined) {
          const text = `${where}: another builder has already shared a result of this build`;
          context.report({ type: "note", text });
          return;
        }
        const { moved, spared } = await push(access, { context, reference, signal, manifest }, known.key, {
          passwords,
          replace: there !== undefined,
        });
        const sizes = `${megabytes(moved)} sent, ${megabytes(spared)} already there`;
        context.report({ type: "note", text: `shared as ${where}: ${sizes}` });
      });
    },
  };
}

/** A usable entry. Unusable ones are reported with the reason. */
async function entryAt(
  { ask, open, waitMs }: CacheAccess,
  made: Made,
  context: BuildContext,
  place: string,
  reference: Place,
): Promise<EntryThere | undefined> {
  return await ask(context, { place, otherwise, ms: waitMs }, async (signal) => {
    const there = await findEntry(reference, await open(context, reference, signal));
    if (!there) return undefined;
    const why = await refusalOf(context, made, reference.which, there);
    if (why === undefined) return there;
    const text = `warning: ${shortReference(reference)} is not used: ${why}`;
    context.report({ type: "note", text });
    return undefined;
  });
}

async function missingBytes({ home }: BuildContext, { packs }: EntryThere): Promise<number> {
  const here = (await readPacks(home.store)).packs;
  const missing = packs.filter(({ digest }) => !here.has(digest.replace("sha256:", "")));
  return missing.reduce((sum, { size }) => sum + size, 0);
}

interface Taking<S extends object> {
  readonly made: Made;
  readonly context: BuildContext;
  readonly pipeline: Pipeline<S>;
  /** The place as the site names it. */
  readonly at: string;
  readonly reference: Place;
  readonly there: EntryThere;
  readonly progress: Say;
}

async function take<S extends object>(
  { ask, open }: CacheAccess,
  { made, context, pipeline, at, reference, there, progress }: Taking<S>,
): Promise<Taken | undefined> {
  const { manifest, entry } = there;
  const ms = Math.max(leastDownloadMs, workTime(manifest));
  const isHere = await ask(context, { place: at, otherwise, ms }, async (signal) => {
    await fetchResult(context, reference, manifest, await open(context, reference, signal), progress);
    return true;
  });
  if (!isHere) return undefined;
  const bundleFolder = await packed(made, context, manifest, progress);
  const { passwords } = entry;
  return await keepTaken(context, pipeline, reference.which, { manifest, bundleFolder, passwords });
}

async function push(
  { open }: CacheAccess,
  sent: {
    readonly context: BuildContext;
    readonly reference: Place;
    readonly signal: AbortSignal;
    readonly manifest: Manifest;
  },
  key: string,
  { passwords, replace }: { readonly passwords: Readonly<Record<string, string>>; readonly replace: boolean },
) {
  const { context, reference, signal, manifest } = sent;
  const { store, records, home } = context;
  const digest = manifestDigest(manifest);
  return await pushEntry(
    storeFolder(home.store),
    manifest,
    { key, passwords },
    reference,
    await open(context, reference, signal),
    (text) => records.signEntry(text),
    {
      signature: await records.signatureText(manifest),
      ancestors: (await store.lineage(digest)).slice(1),
      replace,
    },
  );
}
