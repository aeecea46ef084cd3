import type { Command } from "commander";
import { localHost } from "../../host/local.ts";
import { type Growth, planResize } from "../../image/resize/plan.ts";
import { type ChangeFlags, type Changing, changeImages, type Worked } from "../change-images.ts";
import { readSize } from "../sizes.ts";
import { size } from "../words.ts";

interface Flags extends ChangeFlags {
  readonly size: string;
  readonly volume?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  await changeImages<Worked>([String(args[0])], flags, resizing(flags));
}

function resizing({ volume, ...flags }: Flags): Changing<Worked> {
  const bytes = readSize("--size", flags.size);
  return {
    verb: "resize",
    remarks: () => [],
    async plan(file, { far, note, watch }) {
      const planned = await planResize(localHost(), file, {
        bytes,
        ...(volume !== undefined && { volume }),
        ...(far && { far }),
        ...(note && { note }),
        ...(watch?.signal && { signal: watch.signal }),
      });
      return { ...planned, result: { pending: planned.result.map(doneOf) } };
    },
  };
}

function doneOf({ what, from, to }: Growth): Worked["pending"][number] {
  return { name: what, done: [`${size(from)} → ${size(to)}`] };
}
