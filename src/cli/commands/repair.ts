import type { Command } from "commander";
import type { Outcome } from "../../guest/offline.ts";
import { repairOperations } from "../../guest/seal/index.ts";
import { type ChangeFlags, type Changing, changeImages, jobPlan } from "../change-images.ts";
import { accountLines, unknownOf } from "../seal-lines.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ChangeFlags & { relabel?: boolean }>();
  await changeImages(args[0] as string[], flags, repairing(flags));
}

/** The operations of a repair. */
export function repairing({
  relabel = false,
  ...flags
}: { readonly relabel?: boolean } & Pick<ChangeFlags, "as"> = {}): Changing {
  const plan = jobPlan({ operations: repairOperations({ relabel }) }, flags);
  return { verb: "repair", plan, needsRootOnly: true, remarks };
}

function remarks(outcome: Outcome): string[] {
  const { pending, classes } = outcome;
  const armed = pending.some(({ name }) => name === "first-boot") ? "will be armed" : "is armed already";
  const left = classes.filter(({ state }) => state === "left");
  const where = unknownOf(outcome).length > 0 ? "in the inspected volumes" : "";
  const found =
    left.length === 0
      ? `no identity left ${where}`.trimEnd()
      : `still in the image: ${left.map(({ name }) => name).join(", ")} (\`tbuild seal\` removes them)`;
  return [`first boot ${armed}; ${found}`, ...accountLines(outcome)];
}
