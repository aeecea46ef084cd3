import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import { localHost } from "../../host/local.ts";
import { type PlannedDiscard, planDiscard } from "../../image/discard.ts";
import { fileWord, jsonText, printable } from "../../io/escape.ts";
import { type ChangeFlags, eachImage, isAgreed } from "../change-images.ts";
import { coloursFor, size } from "../words.ts";

interface Flags extends ChangeFlags {
  readonly dropUndo?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const whatStays = "only free blocks were discarded; the same command continues";
  await eachImage(args[0] as string[], flags, whatStays, async ({ name, file, far }, signal) => {
    if (far)
      throw new TbuildError("environment", "cannot be discarded over the network", {
        subject: name,
        hint: "Run tbuild on that machine.",
      });
    const note = (text: string) => void process.stderr.write(`${printable(text)}\n`);
    await using planned = await planDiscard(localHost(), file, note, signal);
    const bytes = planned.found.reduce((sum, one) => sum + one.bytes, 0);
    if (!flags.json) process.stdout.write(planText(name, planned, bytes));
    if (bytes === 0 && planned.left.length > 0) process.exitCode ||= exitCodes.unknown;
    const isWanted = bytes > 0 && !flags.plan;
    if (isWanted && planned.undoRecords > 0 && !flags.dropUndo) throw recordsRefused(name);
    const after = isWanted && (await isAgreed(name, flags, signal)) ? await planned.apply(signal) : undefined;
    if (flags.json) {
      const { found, left, stored } = planned;
      process.stdout.write(
        `${jsonText({ image: name, changed: after !== undefined, bytes, volumes: found, left, stored, storedAfter: after })}\n`,
      );
    } else if (after !== undefined)
      process.stdout.write(
        `  done: the file took ${size(planned.stored)} before, and takes ${size(after)} now\n`,
      );
    else if (isWanted) process.stdout.write("  not changed\n");
  });
}

function recordsRefused(image: string): TbuildError {
  return new TbuildError("usage", "has undo records, which would not work after the blocks are discarded", {
    subject: image,
    hint: `Use --drop-undo to delete the records first, or restore the image: tbuild undo --all ${fileWord(image)}`,
  });
}

function planText(
  image: string,
  { found, left, stored, undoRecords }: PlannedDiscard,
  bytes: number,
): string {
  const colours = coloursFor(process.stdout);
  const lines = [
    `${colours.bold(image)}  the file takes ${size(stored)}`,
    ...found.map((one) => `  ${colours.cyan(one.volume)}: ${size(one.bytes)} of free blocks`),
    ...left.map(({ volume, why }) => `  ${colours.yellow(volume)}: not changed: ${why}`),
    ...(bytes === 0
      ? [`  nothing to discard${left.length > 0 ? " in the volumes that could be read" : ""}`]
      : [
          `  ${size(bytes)} will be discarded. This cannot be undone: an undo record would take the space that is freed`,
          ...(undoRecords > 0
            ? [`  ${undoRecords} undo records will be useless; --drop-undo deletes them`]
            : []),
        ]),
  ];
  return `${lines.join("\n")}\n`;
}
