import { realpath } from "node:fs/promises";
import { exitCodes, firstFault, Interrupted, TbuildError } from "../errors.ts";
import { type Job, type Outcome, planJob } from "../guest/offline.ts";
import type { Done } from "../guest/operation.ts";
import { parseMajor } from "../guest/release.ts";
import { localHost } from "../host/local.ts";
import type { ChangeOptions } from "../image/change/drafted-guest.ts";
import type { PlannedChange } from "../image/change/planned-change.ts";
import { fileWord, jsonText, printable, shown as shownName } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import { askYes } from "./ask.ts";
import { explained } from "./explained.ts";
import { interruptible, stays } from "./interrupt.ts";
import { type FarFlags, farPath, type NamedImage, withImage } from "./named-image.ts";
import { progressLine } from "./progress-line.ts";
import { viaOption } from "./via-option.ts";
import { coloursFor, size } from "./words.ts";

export interface ChangeFlags extends FarFlags {
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly via?: string;
  readonly fsck?: boolean;
  readonly as?: string;
  readonly allowUnmounted?: boolean;
}

/** A command that changes images: its action and its messages. */
export interface Changing<Result extends Worked = Outcome> {
  /** `seal`, `repair`. */
  readonly verb: string;
  /** Plans the change of one image. */
  readonly plan: (file: string, options: ChangeOptions) => Promise<PlannedChange<Result>>;
  /** Lines about the findings, shown below the plan. */
  readonly remarks: (outcome: Result) => string[];
  /** True if the change needs only the root's volume, so other volumes may be left out. */
  readonly needsRootOnly?: boolean;
  /** True if this outcome leaves the result unknown. The command then exits with the code for unknown. */
  readonly isUnknown?: (outcome: Result) => boolean;
  /**
   * True if the change itself prints to standard output. Its plan, if any, is then printed to standard error.
   */
  readonly ownsOutput?: boolean;
  /** The message after Ctrl-C, if the images are not the user's own. */
  readonly stays?: string;
  /** Lines about an image after its change, or if there is nothing to change. */
  readonly after?: (image: NamedImage, signal: AbortSignal) => Promise<Afterwards>;
}

/** What every change of a guest reports. */
export type Worked = Pick<Outcome, "pending" | "overridden" | "scrubbed"> & {
  /** Absent for a guest that tbuild does not know. */
  readonly release?: Outcome["release"];
};

export interface Afterwards {
  readonly lines: readonly string[];
  /** For JSON. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** Plans a change that consists of operations. */
export function jobPlan(job: Job, flags: Pick<ChangeFlags, "as">): Changing["plan"] {
  return (file, options) =>
    planJob(localHost(), file, interruptedBy(options.watch?.signal, { ...job, ...asFlag(flags) }), options);
}

/** Plans the change of each image, shows it, asks, and applies it. A failure does not stop the others. */
export async function changeImages<Result extends Worked>(
  images: readonly (string | NamedImage)[],
  flags: ChangeFlags,
  changing: Changing<Result>,
): Promise<void> {
  const { together, isDone, done } = inOneMachine(images);
  const say = (text: string) => void (changing.ownsOutput ? process.stderr : process.stdout).write(text);
  await eachImage(images, flags, changing.stays ?? stays.image, async (named, signal) => {
    const { name: image, file, far, shown } = named;
    if (!far && (await isDone(file))) return;
    const line = progressLine((flags.json ?? false) || !process.stderr.isTTY);
    await using planned = await changing
      .plan(file, {
        ...viaOption(flags.via),
        ...(flags.fsck && { fsck: true }),
        ...(far && { far }),
        ...((flags.allowUnmounted || changing.needsRootOnly) && { allowUnmounted: true }),
        ...(!far && { together }),
        note: (text) => process.stderr.write(`${printable(shown(text))}\n`),
        watch: { signal, progress: line.show },
      })
      .finally(line.close);
    const { result, alongside = [] } = planned;
    for (const one of alongside) done(one.image);
    const isNeeded = [planned, ...alongside].some(({ pieces }) => pieces.length > 0);
    if (!flags.json && (isNeeded || !changing.ownsOutput))
      say(planText(image, planned, changing, flags.plan ?? false));
    if (signal.aborted) throw new Interrupted();
    const record =
      isNeeded && !flags.plan && (await isAgreed(image, flags, signal))
        ? await planned.apply(`${changing.verb}: ${result.pending.map(({ name }) => name).join(" ")}`)
        : undefined;
    const afterwards = record || !isNeeded ? await changing.after?.(named, signal) : undefined;
    if (flags.json) {
      const { pending, ...rest } = result;
      const ranges = placesIn(planned);
      const changed = record !== undefined;
      const undo = record && { file: shown(record.file), bytes: record.bytes };
      process.stdout.write(
        `${jsonText({ image, changed, operations: pending, ranges, undo, ...rest, ...afterwards?.record })}\n`,
      );
    } else if (record)
      say(
        `  done${alongside.length > 0 ? " in all of them" : ""}; undo with \`tbuild undo ${fileWord(image)}\` (${shown(record.file)}, ${size(record.bytes)})\n`,
      );
    else if (isNeeded && !flags.plan) say("  not changed\n");
    if (!flags.json && afterwards) say(afterwards.lines.map((line) => `  ${line}\n`).join(""));
    if (changing.isUnknown?.(result)) process.exitCode ||= exitCodes.unknown;
  });
}

/**
 * Runs `work` for each image. Failures are reported immediately; the first determines the exit code.
 * `whatStays` says what an interruption leaves.
 */
export async function eachImage(
  images: readonly (string | NamedImage)[],
  { json = false, ...flags }: FarFlags & { readonly json?: boolean },
  whatStays: string,
  work: (image: NamedImage, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await interruptible(whatStays, async (signal) => {
    for (const image of images)
      try {
        if (signal.aborted) throw new Interrupted();
        if (typeof image !== "string") await work(image, signal);
        else await withImage(image, flags, (named) => work(named, signal));
      } catch (thrown) {
        const error = firstFault(thrown);
        if (images.length === 1 || !(error instanceof TbuildError)) throw error;
        process.stderr.write(`${explained(error)}\n`);
        if (json) process.stdout.write(`${jsonText({ image, error: error.message, fault: error.fault })}\n`);
        process.exitCode ||= exitCodes[error.fault];
      }
  });
}

/** An operation's changes, with the guest's names escaped for people and JSON. */
export function shownDone({ name, done }: Done): Done {
  return { name, done: done.map(shownName) };
}

/** The release given with --as. */
export function asFlag({ as }: Pick<ChangeFlags, "as">): Pick<Job, "as"> {
  return as === undefined ? {} : { as: parseMajor(as) };
}

/** A search through all files takes long enough to be interrupted. */
export function interruptedBy<Given extends Pick<Job, "search">>(
  signal: AbortSignal | undefined,
  job: Given,
): Given {
  return job.search && signal ? { ...job, search: { ...job.search, signal } } : job;
}

function planText<Result extends Worked>(
  image: string,
  planned: PlannedChange<Result>,
  { verb, remarks }: Changing<Result>,
  isWhole: boolean,
): string {
  const { result, via } = planned;
  const places = placesIn(planned);
  const colours = coloursFor(process.stdout);
  const { alongside = [] } = planned;
  const names = [image, ...alongside.map((one) => one.image)].map((one) => colours.bold(one)).join(" and ");
  const lines = [`${names}  ${result.release?.name ?? "unknown guest"}, by ${via}`];
  const locks = new Map((result.overridden ?? []).map(({ path, flags }) => [path, lockWord(flags)]));
  for (const { name, done } of result.pending) {
    const first = isWhole || done.length <= 4 ? done : done.slice(0, 3);
    const shown = first.map((path) => {
      const lock = locks.get(path);
      locks.delete(path);
      return lock === undefined ? shownName(path) : `${shownName(path)} (${lock})`;
    });
    if (first.length < done.length) shown.push(`and ${done.length - first.length} more`);
    lines.push(`  ${colours.cyan(name)}: ${shown.join(", ")}`);
  }
  for (const [path, lock] of locks)
    lines.push(`  ${shownName(path)} is ${lock} (chattr); the flag does not stop the change`);
  const bytes = places.reduce((sum, piece) => sum + piece.bytes, 0);
  const where = alongside.length > 0 ? "images" : "image";
  if (places.length === 0) lines.push(`  nothing to ${verb}`);
  else lines.push(`  ${amount(places.length, "place")} of the ${where}, ${size(bytes)}`);
  if (isWhole) lines.push(...rangeLines(places));
  if (result.scrubbed) lines.push(`  ${size(result.scrubbed)} of free blocks are zeroed`);
  lines.push(...remarks(result).map((line) => `  ${line}`));
  return `${lines.join("\n")}\n`;
}

interface Place {
  /** Absent for the first image. */
  readonly image?: string;
  readonly offset: number;
  readonly bytes: number;
}

function placesIn({ pieces, alongside = [] }: Pick<PlannedChange<unknown>, "pieces" | "alongside">) {
  const places: Place[] = pieces.map(({ offset, bytes }) => ({ offset, bytes }));
  for (const { image, pieces: more } of alongside)
    for (const { offset, bytes } of more) places.push({ image, offset, bytes });
  return places;
}

/**
 * The command's local images. If several are disks of one machine, they are changed together with the first.
 */
export function inOneMachine(images: readonly (string | NamedImage)[]) {
  const taken = new Set<string>();
  return {
    together: images.flatMap((image) => (typeof image === "string" && !farPath(image) ? [image] : [])),
    done: (file: string) => taken.add(file),
    isDone: async (file: string) => taken.size > 0 && taken.has(await realpath(file).catch(() => file)),
  };
}

// Each changed time of an inode is a separate place, so there may be thousands.
const mostRanges = 20;

function rangeLines(places: readonly Place[]): string[] {
  const first = places.length > mostRanges ? places.slice(0, mostRanges - 1) : places;
  const lines = first.map(
    ({ image, offset, bytes }) =>
      `    bytes ${offset} to ${offset + bytes - 1}${image === undefined ? "" : ` of ${printable(image)}`}`,
  );
  const rest = places.length - first.length;
  return rest === 0 ? lines : [...lines, `    and ${rest} more places (--json lists them all)`];
}

function lockWord(flags: string): string {
  return [flags.includes("i") && "immutable", flags.includes("a") && "append-only"]
    .filter((word) => word !== false)
    .join(" and ");
}

/** Asks before an image is changed, unless a flag has already decided. */
export async function isAgreed(
  image: string,
  { yes, json }: ChangeFlags,
  signal: AbortSignal,
): Promise<boolean> {
  if (yes) return true;
  if (json || !process.stdin.isTTY || !process.stderr.isTTY)
    throw new TbuildError("usage", "not changed; there is no terminal to ask for confirmation", {
      subject: image,
      hint: "Pass --yes to change it, or --plan to see the plan.",
    });
  return askYes("  change it?", signal);
}
