import { TbuildError } from "../errors.ts";
import type { Mark, Place } from "./place.ts";
import type { Plan } from "./plan.ts";

/**
 * Refuses a plan that would destroy a disk which somebody has also given to another machine. Otherwise, that would fail when our
 * machines are gone, or take the disk away from the other machine.
 */
export async function refuseLentDisks(
  place: Place,
  plan: Pick<Plan, "machines" | "disks">,
  mark: Mark,
  /** For the message: what cannot be done to what. */
  refused: { readonly what: string; readonly subject: string },
): Promise<void> {
  const machines = plan.machines.flatMap(({ action, seen }) =>
    seen && (action === "destroy" || action === "replace") ? [seen.id] : [],
  );
  const disks = plan.disks.flatMap(({ action, seen }) => (seen && action === "destroy" ? [seen.id] : []));
  if (machines.length + disks.length === 0) return;
  const users = await place.strangersOn({ machines, disks }, mark);
  if (users.length === 0) return;
  throw new TbuildError("environment", refused.what, {
    subject: refused.subject,
    lines: users
      .map(
        ({ disk, machine }) =>
          `disk ${disk}: the machine ${machine} uses it, too, and this deployment did not make that machine`,
      )
      .sort(),
    hint: "Nothing was destroyed. Detach these disks from the machines, and run it again.",
  });
}
