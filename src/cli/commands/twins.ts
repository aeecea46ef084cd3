import type { Command } from "commander";
import { compareImages, type TwinReport } from "../../guest/twins.ts";
import { localHost } from "../../host/local.ts";
import { jsonText, printable, shown as shownName } from "../../io/escape.ts";
import { interruptible } from "../interrupt.ts";
import { type FarFlags, type NamedImage, withImage } from "../named-image.ts";
import { viaOption } from "../via.ts";
import { coloursFor, table } from "../words.ts";

interface TwinFlags extends FarFlags {
  readonly json?: boolean;
  readonly via?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<TwinFlags>();
  const [one, other] = args as [string, string];
  const report = await interruptible((signal) =>
    withImage(one, flags, (first) =>
      withImage(other, flags, (second) => compared(first, second, flags, signal)),
    ),
  );
  if (report.suspects.length > 0) process.exitCode ||= 1;
  process.stdout.write(
    flags.json ? `${jsonText({ images: [one, other], ...report })}\n` : `${wordsOf(report).join("\n")}\n`,
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

function wordsOf({ suspects, madeAnew, common, limits }: TwinReport): string[] {
  const colours = coloursFor(process.stdout);
  const verdict =
    suspects.length === 0
      ? "no shared identities found"
      : `${suspects.length} ${suspects.length === 1 ? "file" : "files"} shared by both, which should be unique:`;
  return [
    colours.bold(verdict),
    ...(suspects.length > 0 ? [table(suspects.map(({ path, what }) => [`  ${shownName(path)}`, what]))] : []),
    `${common} unpackaged files are the same in both; ${madeAnew.length} are new in each`,
    ...limits.map(shownName),
  ];
}
