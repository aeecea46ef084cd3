import { expect, it } from "vitest";
import { lookAt } from "../../src/deploy/places/oracle-vm/seen.ts";
import { TbuildError } from "../../src/errors.ts";
import { inventoryOf } from "../../src/manager/inventory.ts";
import { readEach } from "../../src/manager/read-each.ts";
import type { ManagerObject } from "../../src/manager/simulator/manager-object.ts";
import { openSimulator } from "./open.ts";

/** A Manager whose object is removed between the list that names it and the request that reads it. */
async function vanishing(via: "ssh" | "rest", version: string, type: string) {
  let victim: ManagerObject | undefined;
  const opened = await openSimulator(
    {
      settings: { version },
      onCommand: (text) => {
        if (victim && text.includes(victim.id)) opened.world.objects.delete(victim.id);
      },
    },
    { via },
  );
  victim = opened.world.add(type, "00:21:f6:00:00:09", {
    mac: "00:21:f6:00:00:09",
    state: "STOPPED",
    bytes: 1,
  });
  return { ...opened, gone: victim.id };
}

it.each(["ssh", "rest"] as const)(
  "what was removed after it was listed is not there, over %s",
  async (via) => {
    for (const type of ["Vm", "VirtualDisk"]) {
      const { api, world, gone } = await vanishing(via, "3.4.5.1919", type);
      const mark = { id: "0123456789ab", deployment: "d" };
      const seen = await lookAt(api, mark, { machines: [], disks: [] });
      expect(seen).toEqual({ machines: [], disks: [], taken: [] });
      expect(world.objects.has(gone)).toBe(false);
    }
    const { api, gone } = await vanishing(via, "3.4.5.1919", "Vm");
    expect((await inventoryOf(api)).vms.map(({ id }) => id)).not.toContain(gone);
  },
);

it("a vnic of 3.2 that parallel work removes is passed over", async () => {
  const { api, world, gone } = await vanishing("ssh", "3.2.11.775", "Vnic");
  const kept = world.add("Vnic", "00:21:f6:00:00:0a", { mac: "00:21:f6:00:00:0a" });
  expect((await api.looseVnics?.())?.map(({ id }) => id)).toEqual([kept.id]);
  expect(world.objects.has(gone)).toBe(false);
});

it("an object that is still listed, and cannot be read, is a failure", async () => {
  const error = new TbuildError("environment", "refused", { code: "failed" });
  const list = async () => [{ id: "one" }];
  await expect(readEach(list, () => Promise.reject(error))).rejects.toBe(error);
});
