import { resolve } from "node:path";
import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import type { Leftovers } from "../../guest/leftovers/index.ts";
import { checkImage, type Job, type Outcome } from "../../guest/offline.ts";
import { type ClassReport, leftoverClass } from "../../guest/residue.ts";
import { agentRows } from "../../guest/seal/agents-table.ts";
import { type SealOptions, sealOperations, sealParts, sealsSwap } from "../../guest/seal/index.ts";
import { localHost } from "../../host/local.ts";
import type { OtherVolume } from "../../image/disk/account.ts";
import { namedBy, shown as shownName } from "../../image/names.ts";
import {
  asFlag,
  type ChangeFlags,
  changeImages,
  eachImage,
  interruptedBy,
  jsonLine,
  shownDone,
} from "../change-images.ts";
import { viaOption } from "../via.ts";
import { coloursFor, table } from "../words.ts";

interface SealFlags extends ChangeFlags {
  readonly check?: boolean;
  readonly residue?: boolean;
  readonly scrub?: boolean;
  readonly list?: boolean;
  readonly relabel?: boolean;
  readonly skip?: readonly string[];
  readonly only?: readonly string[];
  readonly keep?: readonly string[];
  readonly recipe?: string;
  readonly search?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<SealFlags>();
  const images = args[0] as string[];
  if (flags.list) return list(flags.json ?? false);
  if (images.length === 0) throw new TbuildError("usage", "no image given", { subject: "seal" });
  if (flags.check && flags.scrub)
    throw new TbuildError("usage", "--check and --scrub exclude each other: --check changes nothing", {
      subject: "seal",
    });
  const options = await chosen(flags, command);
  const operations = sealOperations(options);
  const swap = sealsSwap(options);
  const search = flags.search === false || flags.only ? undefined : { keep: options.keep ?? [] };
  if (flags.check)
    return check(images, flags, { operations, swap, ...(search && { search }), ...asFlag(flags) });
  await changeImages(images, flags, {
    verb: "seal",
    job: { operations, swap, ...(flags.scrub && { scrub: true }), ...(search && { search }) },
    isUnknown: ({ others }) => !flags.allowUnmounted && unreadOf(others).length > 0,
    remarks: ({ classes, leftovers, scrubbed, others, elsewhere }: Outcome) => [
      ...accountLines(others, elsewhere),
      ...stateLines(classes),
      ...leftoverLines(leftovers),
      ...freedHint(scrubbed),
    ],
  });
}

function list(json: boolean): void {
  const agents = agentRows();
  const rows = sealParts.map(({ name, summary }) => ({
    name,
    summary,
    ...(name === "service-state" && { agents }),
  }));
  if (json) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const known = agents.flatMap(({ name, resets, reports }) => [
    ...resets.map((path) => [name, "reset", path]),
    ...reports.map((path) => [name, "reported", path]),
  ]);
  process.stdout.write(
    `${table(rows.map(({ name, summary }) => [name, summary]))}\n\nKnown agents and secrets:\n${table(known)}\n`,
  );
}

async function chosen(flags: SealFlags, command: Command): Promise<SealOptions> {
  const { recipes } = command.optsWithGlobals<{ recipes: string }>();
  const recipe = flags.recipe === undefined ? {} : await sealOf(resolve(recipes), flags.recipe);
  return {
    skip: [...(recipe.skip ?? []), ...(flags.skip ?? [])],
    keep: [...(recipe.keep ?? []), ...(flags.keep ?? []).map(namedBy)],
    ...(flags.only && { only: flags.only }),
    relabel: flags.relabel ?? false,
  };
}

// The schema of recipes takes longer to load than a seal takes.
async function sealOf(recipes: string, name: string): Promise<Partial<Pick<SealOptions, "skip" | "keep">>> {
  const [{ loadRecipe }, { sealing }] = await Promise.all([
    import("../../recipe/load.ts"),
    import("../../recipe/recipe.ts"),
  ]);
  return sealing((await loadRecipe(recipes, name)).recipe);
}

async function check(
  images: readonly string[],
  flags: SealFlags,
  job: Pick<Job, "operations" | "search" | "as" | "swap">,
): Promise<void> {
  const colours = coloursFor(process.stdout);
  await eachImage(images, flags, async ({ name: image, file, far, shown }, signal) => {
    const findings = await checkImage(
      localHost(),
      file,
      { ...interruptedBy(signal, job), residue: flags.residue ?? false },
      {
        ...viaOption(flags.via),
        ...(far && { far }),
        note: (text) => process.stderr.write(`${shown(text)}\n`),
        watch: { signal },
      },
    );
    const isClean = findings.classes.every(({ state }) => state !== "left") && findings.pending.length === 0;
    const unread = flags.allowUnmounted ? [] : unreadOf(findings.others);
    if (!isClean) process.exitCode ||= 1;
    else if (unread.length > 0) process.exitCode ||= exitCodes.unknown;
    if (flags.json) {
      const sealed = isClean && unread.length > 0 ? "unknown" : isClean;
      const pending = findings.pending.map(shownDone);
      process.stdout.write(`${jsonLine({ image, sealed, ...findings, pending })}\n`);
      return;
    }
    const lines = findings.pending
      .map(shownDone)
      .map(({ name, done }) => `  ${colours.cyan(name)}: ${done.join(", ")}`);
    const verdict = isClean
      ? unread.length === 0
        ? "nothing is pending"
        : `nothing is pending in the inspected volumes; ${unread.map(({ name }) => name).join(", ")} could not be inspected`
      : findings.pending.length === 0
        ? "nothing is pending, but identities are left"
        : `pending: ${findings.pending.length} operations`;
    process.stdout.write(
      `${[`${colours.bold(image)}  ${findings.release.name}, by ${findings.via}: ${verdict}`, ...lines, ...[...accountLines(findings.others, findings.elsewhere), ...stateLines(findings.classes), ...leftoverLines(findings.leftovers)].map((line) => `  ${line}`)].join("\n")}\n`,
    );
  });
}

function unreadOf(others: readonly OtherVolume[]): OtherVolume[] {
  return others.filter(({ state }) => state === "unknown");
}

function accountLines(others: readonly OtherVolume[], elsewhere: readonly string[]): string[] {
  const unread = unreadOf(others);
  return [
    ...unread.map(({ name, why }) => `not inspected: ${name} ${why}`),
    ...elsewhere.map((line) => `not on this disk: ${line}`),
  ];
}

// One line for each state that there is, the worst with its reasons.
function stateLines(classes: readonly ClassReport[]): string[] {
  const of = (state: ClassReport["state"]) => classes.filter((one) => one.state === state);
  const reset = of("reset").map(({ name }) => name);
  const reasons = (one: ClassReport) =>
    `${one.name} (${one.why.length > 3 ? `${one.why.slice(0, 2).join(", ")} and ${one.why.length - 2} more` : one.why.join(", ")})`;
  return [
    ...(reset.length > 0 ? [`reset: ${reset.join(", ")}`] : []),
    ...(of("left").length > 0
      ? [
          `left: ${of("left")
            .map((one) => (one.name === leftoverClass ? one.name : reasons(one)))
            .join("; ")}`,
        ]
      : []),
    ...(of("unknown").length > 0 ? [`unknown: ${of("unknown").map(reasons).join("; ")}`] : []),
  ];
}

const mostLeftoverLines = 40;

function leftoverLines(leftovers: Leftovers | undefined): string[] {
  const found = leftovers?.found ?? [];
  if (found.length === 0) return [];
  const more = found.length - mostLeftoverLines;
  return [
    ...found.slice(0, mostLeftoverLines).map(({ path, what }) => `left: ${what} in ${shownName(path)}`),
    ...(more > 0 ? [`and ${more} more; --json has all`] : []),
    "to keep something, name it with --keep or in the recipe under `seal: keep:`",
  ];
}

function freedHint(scrubbed: number | undefined): string[] {
  return [
    scrubbed === undefined
      ? "removed data can be recovered from free blocks; --scrub overwrites them"
      : "the undo record still holds the scrubbed data: delete it before you publish the image",
  ];
}
