import { join } from "node:path";
import { Interrupted, TbuildError } from "../errors.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildContext } from "./step.ts";

/** Adds the next commands for this build to an error. */
export async function withAdvice(
  context: BuildContext,
  request: BuildRequest,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof TbuildError) || error instanceof Interrupted) return error;
  const again = `tbuild recipe ${request.name}${request.rehearse ? " --rehearse" : ""}`;
  const machines: string[] = [];
  const running: string[] = [];
  try {
    for (const name of await context.hypervisor.list())
      if (name.startsWith(`${context.id}-`)) machines.push(name);
    for (const machine of machines)
      if ((await context.hypervisor.state(machine)) === "running") running.push(machine);
  } catch {
    // The same failure, such as a full disk, may prevent this. The original error counts.
  }
  const look = running.flatMap((machine) => [
    `watch it: tbuild console ${machine}`,
    `log in:         tbuild console ${machine} --ssh`,
  ]);
  const lines = [
    ...error.lines,
    "",
    `log:            ${join(context.folder, "log.txt")}`,
    `report:         ${join(context.folder, "report.html")}`,
    ...look,
    ...(machines.length > 0 ? [`delete it: tbuild clean ${context.id}`] : []),
    `continue: ${again} (finished steps are cached)`,
  ];
  return error.within(context.name, { lines });
}
