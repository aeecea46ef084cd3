import { TbuildError } from "../errors.ts";
import { initialConfigKey } from "../firstboot/additions.ts";
import { waitFor } from "../host/wait-for.ts";
import type { Messages } from "../hypervisor/hypervisor.ts";
import { consoleTail } from "./guest-machine.ts";
import type { MachineContext } from "./step.ts";

/** A clone that reports nothing new for `quietMs` counts as hanging. A clone must finish within `allMs`. */
export interface Deadlines {
  readonly quietMs: number;
  readonly allMs: number;
}

/** Times for a hypervisor with hardware virtualization; `patience` multiplies them. */
export const usualDeadlines: Deadlines = { quietMs: 300_000, allMs: 3_600_000 };

/** The file in a clone with the output of its modules. */
export const logFile = "/var/log/ovm-template-config.log";

/**
 * Waits until a clone has run its first-boot modules. If a module fails or hangs, throws an error with its
 * output.
 */
export async function configured(
  context: Pick<MachineContext, "hypervisor" | "signal">,
  name: string,
  messages: Messages,
  { quietMs, allMs }: Deadlines = usualDeadlines,
): Promise<void> {
  const { patience = 1 } = context.hypervisor;
  let last = { value: "", since: Date.now() };
  await waitFor(
    "the first-boot configuration",
    async (late) => {
      const value = messages.received().findLast(({ key }) => key === initialConfigKey)?.value ?? "";
      if (value !== last.value) last = { value, since: Date.now() };
      if (value === "done") return true;
      const [state = "", ...said] = value.split("\n");
      const lines = async () => (said.length > 0 ? said : await consoleTail(context, name));
      if (state.startsWith("failed"))
        throw new TbuildError("guest", `first-boot configuration ${state}`, {
          subject: name,
          lines: await lines(),
          hint: `Run only this module with tbuild module rehearse, which takes seconds. Its whole output is in ${logFile} of the clone.`,
        });
      const quiet = Date.now() - last.since >= quietMs * patience;
      if (!late && !quiet) return undefined;
      const [, module] = /^running: (.*)/.exec(state) ?? [];
      const which = module === undefined ? "first-boot configuration" : `first-boot module ${module}`;
      throw new TbuildError(
        "guest",
        `${which} did not end: ${quiet ? `nothing new for ${seconds(quietMs * patience)}` : `it ran for ${seconds(allMs * patience)}`}`,
        {
          subject: name,
          lines: await lines(),
          hint: "Run only this module with tbuild module rehearse, which takes seconds. `timeout` in its module.yaml limits its run time.",
        },
      );
    },
    { timeoutMs: allMs * patience, everyMs: 200, signal: context.signal },
  );
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
