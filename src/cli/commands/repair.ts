import type { Command } from "commander";
import type { Outcome } from "../../guest/offline.ts";
import { repairOperations } from "../../guest/seal/index.ts";
import { type ChangeFlags, type Changing, changeImages } from "../change-images.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ChangeFlags & { relabel?: boolean }>();
  await changeImages(args[0] as string[], flags, repairing(flags));
}

/** The operations of a repair. */
export function repairing({ relabel = false }: { readonly relabel?: boolean } = {}): Changing {
  return { verb: "repair", job: { operations: repairOperations({ relabel }) }, remarks };
}

function remarks({ pending, classes }: Outcome): string[] {
  const armed = pending.some(({ name }) => name === "first-boot") ? "will be armed" : "is armed already";
  const left = classes.filter(({ state }) => state === "left");
  if (left.length === 0) return [`first boot ${armed}; no identity left`];
  return [
    `first boot ${armed}; still in the image: ${left.map(({ name }) => name).join(", ")} (\`tbuild seal\` removes them)`,
  ];
}
