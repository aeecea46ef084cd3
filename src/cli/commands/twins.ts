import type { Command } from "commander";
import type { BootedTwins } from "../../build/twins.ts";
import { TbuildError } from "../../errors.ts";
import { compareImages, type TwinReport } from "../../guest/twins.ts";
import { localHost } from "../../host/local.ts";
import { jsonText, printable, shown as shownName } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import { interruptible } from "../interrupt.ts";
import { type FarFlags, type NamedImage, withImage } from "../named-image.ts";
import { progressLine } from "../progress-line.ts";
import { table } from "../table.ts";
import { viaOption } from "../via-option.ts";
import { coloursFor } from "../words.ts";

interface TwinFlags extends FarFlags {
  readonly json?: boolean;
  readonly via?: string;
  readonly recipe?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<TwinFlags>();
  const [one, other] = args as [string, string | undefined];
  if (other !== undefined && flags.recipe !== undefined)
    throw new TbuildError(
      "usage",
      "--recipe is for one image, whose clones are booted; two images are only compared",
      {
        subject: "twins",
      },
    );
  const report = other === undefined ? await booted(one, flags, command) : await two(one, other, flags);
  const images = other === undefined ? [one] : [one, other];
  if (report.suspects.length + report.shared.length > 0) process.exitCode ||= 1;
  process.stdout.write(
    flags.json ? `${jsonText({ images, ...report })}\n` : `${wordsOf(report).join("\n")}\n`,
  );
}

type Report = TwinReport & Pick<BootedTwins, "shared" | "seen">;

async function two(one: string, other: string, flags: TwinFlags): Promise<Report> {
  const report = await interruptible("the images were not changed", (signal) =>
    withImage(one, flags, (first) =>
      withImage(other, flags, (second) => compared(first, second, flags, signal)),
    ),
  );
  return { ...report, shared: [], seen: [] };
}

// A comparison does not load the site and its hypervisor: only booting needs them.
async function booted(image: string, flags: TwinFlags, command: Command): Promise<Report> {
  if (flags.via !== undefined)
    throw new TbuildError("usage", "--via is for two images; one image is booted instead", {
      subject: "twins",
    });
  const [{ openSite }, { recipeOf }, { bootTwins }] = await Promise.all([
    import("../open-site.ts"),
    import("../../build/opened-site.ts"),
    import("../../build/twins.ts"),
  ]);
  const site = await openSite(command);
  const recipe = flags.recipe === undefined ? undefined : (await recipeOf(site, flags.recipe)).recipe;
  const line = progressLine((flags.json ?? false) && !process.stderr.isTTY);
  return await interruptible("the images were not changed", (signal) =>
    bootTwins(
      site,
      { image, ...(recipe && { recipe }) },
      {
        signal,
        progress: line.show,
        note: (text) => process.stderr.write(`${printable(text)}\n`),
      },
    ).finally(line.close),
  );
}

function compared(
  first: NamedImage,
  second: NamedImage,
  flags: TwinFlags,
  signal: AbortSignal,
): Promise<TwinReport> {
  const way = ({ far, shown }: NamedImage) => ({
    ...viaOption(flags.via),
    ...(far && { far }),
    note: (text: string) => process.stderr.write(`${printable(shown(text))}\n`),
  });
  return compareImages(localHost(), first.file, second.file, { signal, ways: [way(first), way(second)] });
}

function wordsOf({ suspects, madeAnew, common, limits, shared, seen }: Report): string[] {
  const colours = coloursFor(process.stdout);
  const files = amount(suspects.length, "file");
  const verdict =
    suspects.length > 0
      ? `${files} should be unique, but are the same in both:`
      : shared.length > 0
        ? "no file that should be unique is the same in both"
        : "no shared identities found";
  return [
    ...seen.map(shownName),
    ...shared.map((line) => `both clones: ${shownName(line)}`),
    colours.bold(verdict),
    ...(suspects.length > 0 ? [table(suspects.map(({ path, what }) => [`  ${shownName(path)}`, what]))] : []),
    `${common} unpackaged files are the same in both; ${madeAnew.length} are new in each`,
    ...limits.map(shownName),
  ];
}
