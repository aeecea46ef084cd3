import { resolve } from "node:path";
import type { Command } from "commander";
import type { CloneDetector } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Outcome, Search } from "../../guest/offline.ts";
import { type SealOptions, sealOperations, sealParts, sealsSwap } from "../../guest/seal/index.ts";
import { agentRows } from "../../guest/seal/sealing-reference.ts";
import { namedBy } from "../../io/escape.ts";
import { asFlag, type ChangeFlags, changeImages, jobPlan } from "../change-images.ts";
import { checkSeal } from "../seal-check.ts";
import { accountLines, freedHint, leftoverLines, stateLines, unknownOf } from "../seal-lines.ts";
import { table } from "../table.ts";

interface SealFlags extends ChangeFlags {
  readonly detect?: CloneDetector;
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
  if (images.length === 0)
    throw new TbuildError("usage", "no image given", {
      subject: "seal",
      hint: "For example: tbuild seal System.img --plan",
    });
  if (flags.check && flags.scrub)
    throw new TbuildError("usage", "--check and --scrub exclude each other: --check changes nothing", {
      subject: "seal",
    });
  const { options, meant } = await chosen(flags, command);
  const operations = sealOperations(options);
  const swap = sealsSwap(options);
  const search = { keep: options.keep ?? [], meant, ...knownPlaces(flags) };
  if (flags.check) return checkSeal(images, flags, { operations, swap, search, ...asFlag(flags) });
  await changeImages(images, flags, {
    verb: "seal",
    plan: jobPlan({ operations, swap, ...(flags.scrub && { scrub: true }), search }, flags),
    isUnknown: (outcome) => !flags.allowUnmounted && unknownOf(outcome).length > 0,
    remarks: (outcome: Outcome) => [
      ...accountLines(outcome),
      ...stateLines(outcome),
      ...leftoverLines(outcome.leftovers),
      ...freedHint(outcome),
    ],
  });
}

function knownPlaces({ search, only }: SealFlags): Pick<Search, "known"> {
  if (only) return { known: { why: "not searched, as --only was given", of: only } };
  return search === false ? { known: { why: "not searched, as --no-search was given" } } : {};
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

async function chosen(
  flags: SealFlags,
  command: Command,
): Promise<{ readonly options: SealOptions; readonly meant: readonly string[] }> {
  const { recipes } = command.optsWithGlobals<{ recipes: string }>();
  const { seal, meant } =
    flags.recipe === undefined ? nothingTold : await sealOf(resolve(recipes), flags.recipe);
  const options = {
    skip: [...seal.skip, ...(flags.skip ?? [])],
    keep: [...seal.keep, ...(flags.keep ?? []).map(namedBy)],
    ...(flags.only && { only: flags.only }),
    relabel: flags.relabel ?? false,
    detect: flags.detect ?? seal.detect,
  };
  return { options, meant };
}

interface Told {
  readonly seal: {
    readonly skip: readonly string[];
    readonly keep: readonly string[];
    readonly detect: CloneDetector;
  };
  readonly meant: readonly string[];
}

const nothingTold: Told = { seal: { skip: [], keep: [], detect: "flag" }, meant: [] };

// Loaded only if needed: loading the schema of recipes takes longer than a seal.
async function sealOf(recipes: string, name: string): Promise<Told> {
  const [{ loadRecipe }, { meantToStay, sealing }, { shipped }] = await Promise.all([
    import("../../recipe/load.ts"),
    import("../../recipe/recipe.ts"),
    import("../../build/shipped.ts"),
  ]);
  const { recipe } = await loadRecipe([recipes, shipped.recipes], name);
  return { seal: sealing(recipe), meant: meantToStay(recipe) };
}
