import { expect, it } from "vitest";
import { patient, shutDown } from "../../src/build/guest-machine.ts";
import type { MachineContext } from "../../src/build/step.ts";
import type { Host } from "../../src/host/host.ts";

it("a patient hypervisor gives a guest more time to power off", async () => {
  const limits: number[] = [];
  const context = (patience?: number) =>
    ({
      signal: new AbortController().signal,
      progress: () => {},
      hypervisor: {
        ...(patience !== undefined && { patience }),
        async waitStopped(_name: string, { timeoutMs }: { timeoutMs: number }) {
          limits.push(timeoutMs);
          return "guest-shutdown";
        },
      },
    }) as unknown as MachineContext;
  const host = { run: async () => ({ exitCode: 0, stdout: "", stderr: "" }) } as unknown as Host;
  await shutDown(context(), { host, name: "m" });
  await shutDown(context(4), { host, name: "m" });
  const [usual = 0, patiently] = limits;
  expect(usual).toBeGreaterThan(0);
  expect(patiently).toBe(usual * 4);
  expect(patient(context(4), 10)).toBe(40);
});
