import { join, resolve } from "node:path";
import { TbuildError } from "../../../errors.ts";
import { lock } from "../../../host/lock.ts";
import type { Place, PlaceContext, PlaceKind } from "../../place.ts";
import { disksAt } from "./disks.ts";
import { lookAt, strangersOn } from "./look.ts";
import { keptAt } from "./machine-records.ts";
import { machinesAt } from "./machines.ts";
import { conversationWith, forgetReports } from "./reports.ts";

export const hypervisorPlace: PlaceKind = {
  summary: "the site's hypervisor",
  isOf: () => true,
  open: async (context) => hypervisorsPlace(context),
};

/** A hypervisor as a place. */
function hypervisorsPlace(context: PlaceContext): Place {
  const { hypervisor, folder } = context;
  const kept = keptAt(context);
  const { machines, templates } = kept;

  return {
    name: `${hypervisor.name} on ${context.host.name}`,
    identity: `${hypervisor.name} ${resolve(folder)}`,
    ...(hypervisor.patience !== undefined && { patience: hypervisor.patience }),

    async check() {
      await hypervisor.check();
      kept.shapes();
    },

    abilities: async () => ({
      clones: ["thin", "full"],
      sharedDisks: true,
      antiAffinity: { why: "this place has only one server" },
      joinsMachines: hypervisor.joinsMachines ?? false,
      messages: hypervisor.messages?.reaches ?? [],
      mostSlots: 16,
      mostNics: 8,
      parallel: 4,
    }),

    surroundings: async () => ({ networks: undefined, storage: undefined, servers: undefined }),

    findTemplate: (wanted) => templates.find(wanted),
    bringTemplate: (wanted, options) => templates.bring(wanted, options),
    look: (mark, names) => lookAt(kept, mark, names),
    strangersOn: (ours, mark) => strangersOn(kept, ours, mark),
    ...machinesAt(kept),
    ...disksAt(kept),

    isRunning: async (machine) => (await hypervisor.state(machine)) === "running",

    async start(machine) {
      if ((await hypervisor.state(machine)) === "running") return;
      await forgetReports(folder, machine);
      await hypervisor.start(machine);
    },

    async stop(machine, { graceMs, signal }) {
      if ((await hypervisor.state(machine)) !== "running") return;
      await hypervisor.stop(machine, { force: false, graceMs }).catch((error) => {
        if (!(error instanceof TbuildError) || signal?.aborted) throw error;
        return hypervisor.stop(machine, { force: true });
      });
    },

    async talk(machine) {
      if (!hypervisor.messages) throw new Error(`${hypervisor.name} has no channel for messages`);
      return await conversationWith(await hypervisor.messages.open(machine), folder, machine);
    },

    consolePlace: (machine) => hypervisor.consolePlace(machine),
    address: (machine) => hypervisor.address(machine),

    async tidy() {
      await using _lock = await lock(join(folder, "templates.lock"));
      const used = new Set([...(await machines.list()).values()].map(({ template }) => template));
      await templates.removeAllBut(used);
    },

    async [Symbol.asyncDispose]() {},
  };
}
