import { describe, expect, it } from "vitest";
import type { ManagerObject, World } from "../../src/manager/simulator/world.ts";
import {
  checkTemplate,
  clonedTemplate,
  finishTemplate,
  originalOf,
} from "../../src/manager/template-of-machine.ts";
import { openSimulator } from "./open.ts";

/** A stopped machine with a disk, a disc and a vnic. */
function addMachine(
  world: World,
  more: ManagerObject["is"] = {},
): { machine: ManagerObject; disk: ManagerObject } {
  const repository = world.get("Repository", { name: "repo1" }).id;
  const pool = world.get("ServerPool", { name: "pool1" }).id;
  const machine = world.add("Vm", "build1", {
    ...{ state: "STOPPED", domainType: "XEN_HVM", memoryMib: 1024, vcpus: 1, osType: "None" },
    ...{ bootOrder: "CDROM,DISK", pool, repository },
    ...more,
  });
  const disk = world.add("VirtualDisk", "system", { bytes: 2 ** 30, isShareable: false, repository });
  const disc = world.add("VirtualCdrom", "OL6.iso", { repository });
  const network = world.get("Network", { name: "public" }).id;
  world.add("VmDiskMapping", "disc", { vm: machine.id, slot: 1, cdrom: disc.id });
  world.add("VmDiskMapping", "system", { vm: machine.id, slot: 0, virtualDisk: disk.id });
  world.add("Vnic", "00:21:f6:00:00:07", { vm: machine.id, network, mac: "00:21:f6:00:00:07" });
  return { machine, disk };
}

const wanted = { name: "ol6-base", mode: "pvhvm" } as const;

describe.each([
  ["3.2.11.775", "ssh"],
  ["3.4.5.1919", "ssh"],
  ["3.4.6.2105", "rest"],
] as const)("a template of a machine, on %s over %s", (version, via) => {
  it("is a clone with disks of its own and no disc; what an interrupted call left goes first", async () => {
    const { api, world } = await openSimulator({ settings: { version } }, { via });
    const { disk } = addMachine(world);
    const before = world.inventory();
    const forgotten: string[] = [];
    const forget = async ({ id }: { readonly id: string }) => void forgotten.push(id);
    const original = await originalOf(api, "build1");
    expect(original).toMatchObject({ system: { id: disk.id }, further: [] });
    await checkTemplate(api, wanted);
    const first = await clonedTemplate(api, original, { name: "ol6-base", pool: undefined, forget });
    expect(world.get("Vm", { id: first.vm.id }).name).toBe("ol6-base.tbuild-unfinished");
    const second = await clonedTemplate(api, original, { name: "ol6-base", pool: undefined, forget });
    expect(forgotten).toEqual([first.system.id]);
    expect(world.objects.has(first.system.id)).toBe(false);
    await finishTemplate(api, second, { ...wanted, description: "ol6-base@1.0.0" });
    const template = world.get("Vm", { name: "ol6-base" });
    expect(template).toMatchObject({
      description: "ol6-base@1.0.0",
      is: { state: "TEMPLATE", domainType: "XEN_HVM_PV_DRIVERS", bootOrder: "DISK" },
    });
    const mappings = world.all("VmDiskMapping").filter(({ is }) => is.vm === template.id);
    expect(mappings.map(({ is }) => is.virtualDisk)).toEqual([second.system.id]);
    expect(world.inventory()).toEqual(expect.arrayContaining([...before]));
    await expect(checkTemplate(api, wanted)).rejects.toThrow("a machine or template of this name exists");
  });

  it.each([
    ["runs", (world: World) => void addMachine(world, { state: "RUNNING" }), "is running"],
    [
      "has a shared disk",
      (world: World) => {
        addMachine(world).disk.is.isShareable = true;
      },
      "has the shared disk system",
    ],
    [
      "has a physical disk",
      (world: World) => {
        const lun = world.add("PhysicalDisk", "lun1");
        const { machine } = addMachine(world);
        world.add("VmDiskMapping", "lun", { vm: machine.id, slot: 2, physicalDisk: lun.id });
      },
      "has the physical disk lun1",
    ],
    ["is not there", () => {}, "has no virtual machine or template named build1"],
    [
      "has a namesake",
      (world: World) => {
        addMachine(world);
        addMachine(world);
      },
      "has 2 virtual machines or templates named build1",
    ],
  ])("is refused of one that %s", async (_what, prepare, why) => {
    const { api, world } = await openSimulator({ settings: { version } }, { via });
    prepare(world);
    await expect(originalOf(api, "build1")).rejects.toThrow(why);
  });
});

it("is refused if it would be paravirtual, where the Manager makes none", async () => {
  const { api } = await openSimulator({ settings: { version: "3.4.6.2105" } });
  await expect(checkTemplate(api, { name: "ol6-base", mode: "pvm" })).rejects.toThrow(
    "makes no paravirtual machines",
  );
});
