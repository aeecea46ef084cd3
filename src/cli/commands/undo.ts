import type { Command } from "commander";
import { localHost } from "../../host/local.ts";
import { removeAbandoned } from "../../host/temporary.ts";
import { imagePath, takeImage } from "../../image/change/planned-change.ts";
import { settle, undoLast, undoRecords } from "../../image/change/undo.ts";
import { eachImage } from "../change-images.ts";
import { stays } from "../interrupt.ts";
import type { FarFlags, NamedImage } from "../named-image.ts";
import { size } from "../words.ts";

interface UndoFlags extends FarFlags {
  readonly list?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<UndoFlags>();
  const whatStays = flags.list ? stays.unchanged : "each image is restored completely or not at all";
  await eachImage(args[0] as string[], flags, whatStays, (image) =>
    flags.list ? list(image, flags) : undo(image, flags),
  );
}

async function list({ name, file, shown }: NamedImage, { json }: UndoFlags): Promise<void> {
  const records = await undoRecords(await imagePath(file));
  if (json)
    process.stdout.write(
      `${JSON.stringify({ image: name, records: records.map((one) => ({ ...one, file: shown(one.file) })) })}\n`,
    );
  else if (records.length === 0) process.stdout.write(`${name}: nothing to undo\n`);
  for (const { what, when, bytes } of json ? [] : records)
    process.stdout.write(`${name}: ${when}  ${what}  (${size(bytes)})\n`);
}

async function undo({ name, file, far, shown }: NamedImage, { all, json }: UndoFlags): Promise<void> {
  const { image, lock } = await takeImage(file, far);
  await using _lock = lock;
  await removeAbandoned(localHost());
  const settled = await settle(image);
  if (settled !== undefined) process.stderr.write(`${name}: ${settled}\n`);
  const undone = [];
  do undone.push(await undoLast(image));
  while (all && (await undoRecords(image)).length > 0);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ image: name, settled, undone: undone.map((one) => ({ ...one, file: shown(one.file) })) })}\n`,
    );
  else
    for (const { what, image: first, others } of undone) {
      const also = [first, ...others].filter((one) => one !== image);
      const where = also.length > 0 ? `, in ${also.map(shown).join(" and ")} too` : "";
      process.stdout.write(`${name}: undone${where}: ${what}\n`);
    }
}
