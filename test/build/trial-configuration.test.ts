import { describe, expect, it } from "vitest";
import { configured } from "../../src/build/trial-configuration.ts";
import { initialConfigKey } from "../../src/firstboot/additions.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";

const context = {
  hypervisor: { consoleText: async () => "booted\r\novmd: configuring\n" } as unknown as Hypervisor,
  signal: new AbortController().signal,
};

type Told = readonly [ms: number, value: string];

/** Each value is reported so many milliseconds after the start. */
function clone(told: readonly Told[]) {
  const began = Date.now();
  return {
    received: () =>
      told.filter(([ms]) => Date.now() - began >= ms).map(([, value]) => ({ key: initialConfigKey, value })),
    send: async () => {},
    async [Symbol.asyncDispose]() {},
  };
}

const deadlines = { quietMs: 700, allMs: 1_500 };
const wait = (...told: Told[]) => configured(context, "trial-1", clone(told), deadlines);

describe("a trial clone that configures itself", () => {
  it("is done when it says so", async () => {
    await wait([0, "running"], [200, "running: network"], [600, "done"]);
  });

  it("shows the output of the failed module", async () => {
    await expect(
      wait([0, "running: grid"], [200, "failed: grid: exit code 3\ngrid: no\ngrid: disks"]),
    ).rejects.toMatchObject({
      fault: "guest",
      message: "trial-1: first-boot configuration failed: grid: exit code 3",
      lines: ["grid: no", "grid: disks"],
    });
  });

  it("whose additions report no lines shows its console", async () => {
    await expect(wait([0, "failed: exit code 1"])).rejects.toMatchObject({
      lines: ["booted", "ovmd: configuring"],
    });
  });

  it("names the module that hangs, with its last lines", async () => {
    await expect(wait([0, "running: grid"], [100, "running: grid\nformatting"])).rejects.toMatchObject({
      fault: "guest",
      message: "trial-1: first-boot module grid did not end: nothing new for 1 s",
      lines: ["formatting"],
    });
  });

  it("may continue while it prints something new, until the last deadline", async () => {
    const chatty = Array.from({ length: 8 }, (_, i) => [i * 300, `running: grid\n${i}`] as const);
    await expect(wait(...chatty)).rejects.toMatchObject({
      message: "trial-1: first-boot module grid did not end: it ran for 2 s",
    });
  });
});
