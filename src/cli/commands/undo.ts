import type { Command } from "commander";
import { imagePath, lockImage } from "../../image/planned-change.ts";
import { settle, undoLast, undoRecords } from "../../image/undo.ts";
import { eachImage } from "../change-images.ts";
import { size } from "../words.ts";

interface UndoFlags {
  readonly list?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<UndoFlags>();
  await eachImage(args[0] as string[], flags, (file) => (flags.list ? list(file, flags) : undo(file, flags)));
}

async function list(file: string, { json }: UndoFlags): Promise<void> {
  const records = await undoRecords(await imagePath(file));
  if (json) process.stdout.write(`${JSON.stringify({ image: file, records })}\n`);
  else if (records.length === 0) process.stdout.write(`${file}: no change of it can be undone\n`);
  for (const { what, when, bytes } of json ? [] : records)
    process.stdout.write(`${file}: ${when}  ${what}  (${size(bytes)})\n`);
}

async function undo(file: string, { all, json }: UndoFlags): Promise<void> {
  const image = await imagePath(file);
  await using _lock = await lockImage(image);
  const settled = await settle(image);
  if (settled !== undefined) process.stderr.write(`${file}: ${settled}\n`);
  const undone = [];
  do undone.push(await undoLast(image));
  while (all && (await undoRecords(image)).length > 0);
  if (json) process.stdout.write(`${JSON.stringify({ image: file, settled, undone })}\n`);
  else for (const { what } of undone) process.stdout.write(`${file}: taken back: ${what}\n`);
}
