import { expect } from "vitest";
import { z } from "zod";
import type { Hypervisor, HypervisorKind } from "../../src/hypervisor/hypervisor.ts";

const options = z.strictObject({ bridge: z.string().describe("The bridge of the network `build`.") });
/** A hypervisor that can only be found by its line in the table. */
export const cloud: HypervisorKind<typeof options> = {
  summary: "machines in a cloud, for this test",
  options,
  open: (_host, { bridge }) =>
    ({
      name: `cloud on ${bridge}`,
      domainTypes: ["pvm"],
      examine: async () => [{ what: "cloud", ok: false, text: `${bridge} is away` }],
      messages: { reaches: ["oracle"], open: () => expect.unreachable() },
    }) satisfies Partial<Hypervisor> as unknown as Hypervisor,
};
