import type { GuestMode } from "../choices.ts";
import { TbuildError, together } from "../errors.ts";
import { amount } from "../io/units.ts";
import { contextOf } from "./context.ts";
import { furtherName } from "./further-conversions.ts";
import { gather } from "./gather.ts";
import type { OpenedSite } from "./opened-site.ts";
import { prepare } from "./prepare.ts";
import { recipeParts } from "./recipe-parts.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildContext } from "./step.ts";
import { proveDisc } from "./steps/fetch-medium.ts";

/**
 * Resolves all recipes, and checks everything that their builds need before the first step: disc, passwords,
 * programs. For recipes in `later`, whose base is built first, only their own parts can be checked. Throws
 * one error that lists everything missing.
 */
export async function prove(
  opened: OpenedSite,
  requests: readonly BuildRequest[],
  later: readonly string[] = [],
): Promise<void> {
  const faults: unknown[] = [];
  const names = new Map<string, string>();
  for (const request of requests)
    await proveOne(opened, request, names).catch((error: unknown) => faults.push(error));
  for (const name of later) await recipeParts(opened, name).catch((error: unknown) => faults.push(error));
  const all = amount(requests.length + later.length, "recipe");
  if (faults.length > 0) throw together(faults, `${faults.length} of ${all} cannot be built`);
}

async function proveOne(
  opened: OpenedSite,
  request: BuildRequest,
  names: Map<string, string>,
): Promise<void> {
  const made = await gather(opened, request);
  const { recipe } = made;
  for (const name of [recipe.name, ...recipe.convert.map(({ to }) => furtherName(recipe, to))]) {
    const other = names.get(name);
    if (other !== undefined)
      throw new TbuildError("usage", `${request.name} and ${other} have the same name, ${name}`, {
        hint: "Give one of them another `name`, or build only one of them.",
      });
    names.set(name, request.name);
  }
  const context = contextOf(opened, made, request, () => {}, new AbortController().signal);
  const { planned } = await prepare(made, request, context, opened.results);
  const steps = planned.filter((step) => !step.kept).map((step) => step.step);
  if (steps.includes("fetch-medium") && !request.rehearse) await proveDisc(recipe, opened.home.isoFolder);
  // A cached guest already has its passwords, so they are not needed.
  if (steps.includes("provision-guest")) await made.passwords.prove();
  await checkSite(context, steps, made.made.mode);
}

// Checks the tools before any machine is started.
async function checkSite(context: BuildContext, steps: readonly string[], mode: GuestMode): Promise<void> {
  if (steps.includes("boot-trial") || steps.includes("place-template"))
    await context.hypervisor.checkMode?.(mode);
  const inMachines = ["install-guest", "provision-guest", "inject-modules", "boot-trial"];
  const onBench = context.hypervisor.bench ? ["convert-image", "seal-image"] : [];
  if (steps.some((step) => [...inMachines, ...onBench].includes(step))) await context.hypervisor.check();
}
