import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Watch } from "../host/long-work.ts";
import { lookBefore } from "../image/change/before.ts";
import type { ChangeOptions, DraftedGuest } from "../image/change/drafted-guest.ts";
import { type PlannedChange, planChange } from "../image/change/planned-change.ts";
import { emptied, type OtherVolume, said } from "../image/disk/other-volumes.ts";
import { readGuest } from "../image/read-guest.ts";
import type { LockedPath } from "../image/tree.ts";
import { type Identity, readIdentity } from "./identity.ts";
import { findLeftovers, type Leftovers, readTraits, showsTrait, type Trait } from "./leftovers/index.ts";
import { applyAll, auditAll, type Done, type Operation } from "./operation.ts";
import { declareRelease, type Major, type Release, readRelease } from "./release.ts";
import {
  type ClassReport,
  classReports,
  concerning,
  countShown,
  findResidue,
  tellsOfGuest,
} from "./residue.ts";
import { sealOperations } from "./seal/index.ts";
import { lookIntoSwap, memoryReport, swapPending } from "./swapped-memory.ts";
import { lookOutside, type NamedVolumes, namedVolumes, unusedSpaceReport, withUse } from "./unused-space.ts";

/** A job on a guest in an image. */
export interface Job {
  readonly operations: readonly Operation[];
  /** Write zeros over freed blocks, and over free blocks and unused space with leftovers. */
  readonly scrub?: boolean;
  /** Renew the swap volumes; `undefined` if the job does not concern swap. */
  readonly swap?: boolean;
  /** The release to treat an unknown guest as. */
  readonly as?: Major;
  /** Look for leftovers of the build. */
  readonly search?: Search;
}

export interface Search {
  /** Paths to keep. */
  readonly keep: readonly string[];
  /** Paths whose content is intended, although operations change them. */
  readonly meant?: readonly string[];
  /** Absent if all files are searched. */
  readonly known?: KnownPlaces;
  readonly signal?: AbortSignal;
}

/** Check the known places only. */
export interface KnownPlaces {
  /** Why not all files are searched. */
  readonly why: string;
  /** Report only findings of the same class as one of these operations; absent for everything. */
  readonly of?: readonly string[];
}

export interface Findings {
  readonly release: Release;
  readonly via: string;
  /** The pending work of each operation that has any. */
  readonly pending: readonly Done[];
  /** The residue in the guest, before or after the job. */
  readonly identity: Identity;
  readonly classes: readonly ClassReport[];
  /** The volumes that were not inspected. */
  readonly others: readonly OtherVolume[];
  /** The other images with members of its mirrors; absent if there are none. */
  readonly with?: readonly string[];
  /** The mounts from elsewhere, one line each. */
  readonly elsewhere: readonly string[];
  /** The backing files of the image, whose contents a change of the image does not affect. */
  readonly backing: readonly string[];
  /** Findings that no operation removes; `undefined` if not checked. */
  readonly leftovers?: Leftovers;
}

export interface Outcome extends Findings {
  /** Paths that are changed although chattr locked them or their folders; absent if there are none. */
  readonly overridden?: readonly LockedPath[];
  /** The number of bytes overwritten with zeros; `undefined` if not requested. */
  readonly scrubbed?: number;
}

/** Finds what is pending. Changes nothing. */
export async function checkImage(
  host: Host,
  file: string,
  {
    operations,
    residue = false,
    search,
    as,
    swap = false,
  }: Pick<Job, "operations" | "search" | "as" | "swap"> & { readonly residue?: boolean },
  options: ChangeOptions = {},
): Promise<Findings> {
  return readGuest(
    host,
    file,
    async (guest) => {
      const release = await releaseOf(guest, as);
      const inFiles = await auditAll(guest.tree, operations);
      const inSwap = new Map<string, number>();
      const memory = await lookIntoSwap(guest, (data) => residue && countShown(data, inSwap));
      const pending = swap ? [...inFiles, ...memory.pending] : inFiles;
      const outside = residue ? await lookOutside(guest) : undefined;
      const seen = outside && { found: await findResidue(guest), inSwap, outside: outside.shown };
      // For a sealed guest, the undo record still contains its identity.
      const traits = search
        ? [...(await readTraits(guest.tree)), ...((await lookBefore(file, guest.mounts, readTraits)) ?? [])]
        : [];
      const leftovers = search && (await searched(guest, traits, pending, search));
      return {
        release,
        ...accountOf(guest),
        pending,
        identity: await readIdentity(guest.tree),
        classes: [
          ...classReports(pending, names(operations), seen, leftovers),
          ...memory.classes,
          ...(outside?.classes ?? []),
        ],
        ...(leftovers && { leftovers }),
      };
    },
    options,
  );
}

/** Plans the job: the work of the operations, and every byte that it changes. The image does not change. */
export async function planJob(
  host: Host,
  file: string,
  job: Job,
  options: ChangeOptions = {},
): Promise<PlannedChange<Outcome>> {
  // Searches the remaining files and free blocks for the values that a seal removes.
  let traits: readonly Trait[] = [];
  let inUse: NamedVolumes = () => undefined;
  const planned = await planChange(
    host,
    file,
    async (guest) => {
      if (job.search || job.scrub) traits = await readTraits(guest.tree);
      if (job.scrub) inUse = await namedVolumes(guest);
      return doJob(guest, job, traits, options.watch?.progress);
    },
    {
      ...options,
      ...(job.swap && { renewSwap: true }),
      ...(job.scrub && {
        scrub: {
          tells: (block) => tellsOfGuest(block) || showsTrait(block, traits),
          withUse: (place) => withUse(place, inUse),
        },
      }),
    },
  );
  const { scrubbed, unclaimed, kept, emptied: left = [], swap, result } = planned;
  return {
    ...planned,
    result: {
      ...result,
      others: result.others.map((one) => (left.includes(one.name) ? { ...one, ...emptied } : one)),
      pending: [...result.pending, ...swapPending(swap ?? [])],
      classes: [
        ...result.classes,
        ...(job.swap === undefined ? [] : memoryReport({ states: swap, isRenewed: true })),
        ...unusedSpaceReport(unclaimed ?? [], kept),
      ],
      ...(scrubbed !== undefined && { scrubbed }),
    },
  };
}

async function doJob(
  guest: DraftedGuest,
  { operations, scrub = false, search, as }: Job,
  traits: readonly Trait[],
  progress?: Watch["progress"],
): Promise<Outcome> {
  const { tree } = guest;
  // An unknown guest is refused before anything is planned.
  const release = await releaseOf(guest, as);
  const done = (await applyAll(tree, operations, progress)).filter((one) => one.done.length > 0);
  await tree.commit();
  if (done.length > 0) await checkDone(guest, operations);
  const others = sealOperations().filter((operation) => !operations.includes(operation));
  const left = await auditAll(tree, others);
  const leftovers = search && (await searched(guest, traits, left, search));
  return {
    release,
    ...accountOf(guest),
    pending: done,
    ...(tree.overridden.length > 0 && { overridden: tree.overridden }),
    identity: await readIdentity(tree),
    classes: classReports(
      left,
      names(sealOperations()),
      scrub ? { found: { shown: new Map() } } : undefined,
      leftovers,
    ),
    ...(leftovers && { leftovers }),
  };
}

async function releaseOf({ tree }: DraftedGuest, as: Major | undefined): Promise<Release> {
  if (as !== undefined) declareRelease(tree, as);
  return readRelease(tree);
}

// guestfish takes a round trip for each file: hours for a guest.
async function searched(
  { tree, via, swapFiles }: DraftedGuest,
  traits: readonly Trait[],
  pending: readonly Done[],
  { keep, meant = [], known, signal }: Search,
): Promise<Leftovers> {
  if (via === "guestfish")
    return {
      found: [],
      files: 0,
      bytes: 0,
      tooLarge: [],
      packed: [],
      limits: ["guestfish is too slow to search all files"],
    };
  const paths = pending.flatMap(({ done }) => done);
  const left = await findLeftovers(tree, {
    traits,
    pending: paths,
    keep,
    meant,
    swapFiles,
    ...(known && { only: known.why }),
    ...(signal && { signal }),
  });
  return known?.of ? concerning(left, known.of) : left;
}

// Reads the result again, instead of trusting the operations.
async function checkDone({ tree, via }: DraftedGuest, operations: readonly Operation[]): Promise<void> {
  const left = await auditAll(tree, operations);
  if (left.length > 0)
    throw new TbuildError("integrity", "the written image is not clean", {
      subject: via,
      lines: left.flatMap(({ name, done }) => done.map((one) => `${name}: ${one}`)).slice(0, 20),
      hint: "The image was not changed. This is a bug in tbuild; please report it.",
    });
}

function accountOf({
  via,
  others,
  unresolved,
  layers,
  companions,
}: DraftedGuest): Pick<Findings, "via" | "others" | "with" | "elsewhere" | "backing"> {
  const backing = layers.slice(1).map(({ file }) => file);
  const together = companions.length > 0 && { with: companions };
  return { via, others, ...together, elsewhere: unresolved.map(said), backing };
}

function names(operations: readonly Operation[]): string[] {
  return operations.map(({ name }) => name);
}
