import type { Command } from "commander";
import type { FitnessTarget, GuestMode } from "../../choices.ts";
import { exitCodes, TbuildError } from "../../errors.ts";
import { findingText, type Verdict } from "../../guest/fitness/finding.ts";
import { type Fitness, fitnessOrWhy, fitnessWords, requireMode } from "../../guest/fitness/fitness.ts";
import { localHost } from "../../host/local.ts";
import { openImageFile } from "../../image/open.ts";
import { jsonText, shown as shownName } from "../../io/escape.ts";
import { eachImage } from "../change-images.ts";
import type { FarFlags, NamedImage } from "../named-image.ts";
import { viaOption } from "../via.ts";
import { coloursFor } from "../words.ts";

interface Flags extends FarFlags {
  readonly check?: boolean;
  readonly for: FitnessTarget;
  readonly to?: GuestMode;
  readonly via?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  if (!flags.check)
    throw new TbuildError("usage", "--check is missing", {
      subject: "convert",
      hint: "tbuild converts in a build (domainType of a recipe); by itself it only checks: tbuild convert --check --for ...",
    });
  requireMode(flags.for, flags.to);
  const found: Verdict[] = [];
  await eachImage(args[0] as string[], flags, async (image, signal) => {
    const fitness = await check(image, flags, signal);
    found.push(fitness.verdict);
    process.stdout.write(
      flags.json
        ? `${jsonText({ image: image.name, ...fitness })}\n`
        : `${lines(image, fitness).join("\n")}\n`,
    );
  });
  if (found.includes("unfit")) process.exitCode ||= 1;
  else if (found.includes("unknown")) process.exitCode ||= exitCodes.unknown;
}

async function check(named: NamedImage, flags: Flags, signal: AbortSignal): Promise<Fitness> {
  const { file, far, shown } = named;
  const note = (text: string) => void process.stderr.write(`${shown(text)}\n`);
  const options = { readOnly: true, note, watch: { signal }, ...viaOption(flags.via), ...(far && { far }) };
  let isOpened = false;
  try {
    await using guest = await openImageFile(localHost(), file, options);
    isOpened = true;
    return await fitnessOrWhy(localHost(), { file, guest }, flags.for, flags.to);
  } catch (error) {
    // Even if a disk's guest cannot be opened, it may be known not to boot. A file that is not a disk is not checked.
    const isGuest = error instanceof TbuildError && ["guest", "environment"].includes(error.fault);
    if (isOpened || !isGuest || flags.via !== undefined) throw error;
    return fitnessOrWhy(localHost(), { file, why: error.message }, flags.for, flags.to);
  }
}

function lines({ name, shown }: NamedImage, fitness: Fitness): string[] {
  const colours = coloursFor(process.stdout);
  const { verdict, boots, findings } = fitness;
  const colour = { fit: colours.green, unfit: colours.red, unknown: colours.yellow }[verdict];
  return [
    `${colours.bold(name)}  ${colour(fitnessWords(fitness))}`,
    ...(boots ? [`  boots ${shownName(boots.kernel)} by ${shownName(boots.config)} of ${boots.volume}`] : []),
    ...findings.map((finding) => `  ${finding.weight}: ${shownName(shown(findingText(finding)))}`),
  ];
}
