import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { tryLock } from "../host/lock.ts";
import type { BuildEvent } from "./event.ts";
import type { Ingredients } from "./master.ts";
import type { OpenedSite } from "./opened-site.ts";
import { digestOf } from "./recipe-inputs.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildContext } from "./step.ts";

export function contextOf(
  opened: OpenedSite,
  made: Ingredients,
  request: BuildRequest,
  report: (event: BuildEvent) => void,
  signal: AbortSignal,
): BuildContext {
  const { recipe, frame } = made.made;
  const name = `${recipe.name}${request.rehearse ? "-rehearsal" : ""}`;
  const id = `${name}-${digestOf(frame.recipeText).slice(0, 6)}`;
  const { home, host, hypervisor, site, store, records, environment, tbuild } = opened;
  return {
    id,
    name,
    rehearsal: request.rehearse,
    folder: join(home.builds, id),
    home,
    host,
    hypervisor,
    site,
    store,
    environment,
    records,
    report,
    signal,
    tbuild,
  };
}

export async function buildLock(context: BuildContext) {
  const got = await tryLock(join(context.home.builds, `${context.name}.lock`));
  if ("release" in got) return got;
  throw new TbuildError(
    "environment",
    `is already being built by process ${got.heldBy}${got.on === undefined ? "" : ` on ${got.on}`}`,
    { subject: context.name, hint: "Wait until it ends, or stop it (Ctrl-C in its terminal)." },
  );
}
