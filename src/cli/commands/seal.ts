import { resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { checkImage, type Outcome } from "../../guest/offline.ts";
import type { ClassReport } from "../../guest/residue.ts";
import { type SealOptions, sealOperations, sealTable } from "../../guest/seal/index.ts";
import { localHost } from "../../host/local.ts";
import { type ChangeFlags, changeImages, eachImage } from "../change-images.ts";
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
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<SealFlags>();
  const images = args[0] as string[];
  if (flags.list) return list(flags.json ?? false);
  if (images.length === 0) throw new TbuildError("usage", "seal: no image is named");
  if (flags.check && flags.scrub)
    throw new TbuildError("usage", "seal: --check changes nothing, --scrub does");
  const operations = sealOperations(await chosen(flags, command));
  if (flags.check) return check(images, flags, operations);
  await changeImages(images, flags, {
    verb: "seal",
    job: { operations, ...(flags.scrub && { scrub: true }) },
    remarks: ({ classes, scrubbed }: Outcome) => [...stateLines(classes), ...freedHint(scrubbed)],
  });
}

function list(json: boolean): void {
  const rows = sealTable.map(({ name, summary }) => ({ name, summary }));
  process.stdout.write(
    json ? `${JSON.stringify(rows)}\n` : `${table(rows.map(({ name, summary }) => [name, summary]))}\n`,
  );
}

async function chosen(flags: SealFlags, command: Command): Promise<SealOptions> {
  const { recipes } = command.optsWithGlobals<{ recipes: string }>();
  const recipe = flags.recipe === undefined ? {} : await sealOf(resolve(recipes), flags.recipe);
  return {
    skip: [...(recipe.skip ?? []), ...(flags.skip ?? [])],
    keep: [...(recipe.keep ?? []), ...(flags.keep ?? [])],
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
  operations: ReturnType<typeof sealOperations>,
): Promise<void> {
  const colours = coloursFor(process.stdout);
  await eachImage(images, flags, async ({ name: image, file, far, shown }) => {
    const findings = await checkImage(
      localHost(),
      file,
      { operations, residue: flags.residue ?? false },
      {
        ...viaOption(flags.via),
        ...(far && { far }),
        note: (text) => process.stderr.write(`${shown(text)}\n`),
      },
    );
    const isClean = findings.classes.every(({ state }) => state !== "left") && findings.pending.length === 0;
    if (!isClean) process.exitCode ||= 1;
    if (flags.json) {
      process.stdout.write(`${JSON.stringify({ image, sealed: isClean, ...findings })}\n`);
      return;
    }
    const lines = findings.pending.map(({ name, done }) => `  ${colours.cyan(name)}: ${done.join(", ")}`);
    const verdict = isClean
      ? "nothing is pending"
      : `pending: ${findings.pending.length === 0 ? "what is left in free blocks" : `${findings.pending.length} operations`}`;
    process.stdout.write(
      `${[`${colours.bold(image)}  ${findings.release.name}, by ${findings.via}: ${verdict}`, ...lines, ...stateLines(findings.classes).map((line) => `  ${line}`)].join("\n")}\n`,
    );
  });
}

// One line for each state that there is, the worst with its reasons.
function stateLines(classes: readonly ClassReport[]): string[] {
  const of = (state: ClassReport["state"]) => classes.filter((one) => one.state === state);
  const reset = of("reset").map(({ name }) => name);
  const reasons = (one: ClassReport) =>
    `${one.name} (${one.why.length > 3 ? `${one.why.slice(0, 2).join(", ")} and ${one.why.length - 2} more` : one.why.join(", ")})`;
  return [
    ...(reset.length > 0 ? [`reset: ${reset.join(", ")}`] : []),
    ...(of("left").length > 0 ? [`left: ${of("left").map(reasons).join("; ")}`] : []),
    ...(of("unknown").length > 0 ? [`unknown: ${of("unknown").map(reasons).join("; ")}`] : []),
  ];
}

function freedHint(scrubbed: number | undefined): string[] {
  return [
    scrubbed === undefined
      ? "what is removed can be read in free blocks until it is overwritten; --scrub does that"
      : "what is scrubbed is in the undo record still: delete that one before the image goes out",
  ];
}
