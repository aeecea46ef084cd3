import type { Command } from "commander";
import { type Entry, listFiles, modeText } from "../../guest/files/listing.ts";
import { jsonText, shown } from "../../io/escape.ts";
import { guestPathOrRoot } from "../guest-path.ts";
import { printFrom, type ReadFlags, writeOut } from "../read-image.ts";
import { table } from "../table.ts";

interface Flags extends ReadFlags {
  readonly recursive?: boolean;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const { image, path } = guestPathOrRoot(String(args[0]));
  await printFrom(image, flags, async (tree, signal) => {
    let rows: string[][] = [];
    const print = async () => {
      if (rows.length > 0) await writeOut(`${table(rows)}\n`, signal);
      rows = [];
    };
    for await (const entry of listFiles(tree, path, flags.recursive)) {
      if (flags.json) await writeOut(`${jsonText(record(entry))}\n`, signal);
      else rows.push(row(entry));
      // A listing of a whole guest is printed while it is read.
      if (rows.length >= rowsAtOnce) await print();
    }
    await print();
  });
}

const rowsAtOnce = 1000;

function row(entry: Entry): string[] {
  const { owner, group, path, target } = entry;
  const name = target === undefined ? shown(path) : `${shown(path)} -> ${shown(target)}`;
  return [modeText(entry), shown(owner), shown(group), String(entry.size).padStart(9), name];
}

function record({ path, kind, mode, size, uid, gid, owner, group, target, label }: Entry) {
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  return { path, kind, mode: octal, size, uid, gid, owner, group, target, label };
}
