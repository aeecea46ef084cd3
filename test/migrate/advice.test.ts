import { expect, it } from "vitest";
import { conversion } from "../../src/guest/fitness/finding.ts";
import type { Fitness } from "../../src/guest/fitness/fitness.ts";
import { adviceOfMigration } from "../../src/migrate/guest.ts";

it("a migration advises its own options, and leaves other remedies", () => {
  const finding = { weight: "remark", about: "/usr/sbin/ovmd", why: "waits" } as const;
  const remedies = [`${conversion("kvm")} --ovmd disable`, conversion("kvm"), "yum install kernel"];
  const fitness = { findings: remedies.map((remedy) => ({ ...finding, remedy })) } as unknown as Fitness;
  expect(adviceOfMigration(fitness, "kvm").findings.map(({ remedy }) => remedy)).toEqual([
    "migrate it with --ovmd disable",
    ...remedies.slice(1),
  ]);
});
