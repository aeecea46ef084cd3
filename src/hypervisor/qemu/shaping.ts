import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { cloneDisk, makeDisk, type QemuDisk } from "./disks.ts";
import { type Definition, keptOf, type MachineFiles } from "./machine.ts";
import { giveVariables, proveUefi } from "./uefi.ts";

/** Makes machines, copies them, and changes their shape. */
export function shaping(
  host: Runner,
  files: (vm: string) => MachineFiles,
  state: Hypervisor["state"],
): Pick<Hypervisor, "define" | "clone" | "shapes"> {
  async function make(vm: string, definition: () => Promise<Definition>): Promise<void> {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(vm)) throw new Error(`bad machine name ${vm}`);
    if ((await state(vm)) !== "absent")
      throw new TbuildError("environment", "a machine of this name exists", {
        subject: vm,
        hint: "Remove it with: tbuild clean",
      });
    await files(vm).make();
    await files(vm).write(await definition());
  }

  return {
    async define(spec) {
      if (spec.firmware === "uefi") await proveUefi();
      await make(spec.name, async () => {
        const disks = [];
        for (const disk of spec.disks.toSorted((one, other) => one.slot - other.slot))
          disks.push(await makeDisk(host, disk, files(spec.name).diskStem(disk.slot)));
        if (spec.firmware === "uefi") await giveVariables((await files(spec.name).paths()).variables);
        return { spec: keptOf(spec), disks };
      });
    },

    async clone(vm, as) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const { spec, disks } = await files(vm).read();
      await make(as.name, async () => {
        const copies = [];
        for (const disk of disks)
          copies.push(await cloneDisk(host, disk, files(as.name).diskStem(disk.slot)));
        if (spec.firmware === "uefi")
          await giveVariables((await files(as.name).paths()).variables, (await files(vm).paths()).variables);
        return { spec: { ...spec, ...as }, disks: copies };
      });
    },

    shapes: {
      async of(vm) {
        const { spec, disks } = await files(vm).read();
        return {
          vcpus: spec.vcpus,
          memoryMib: spec.memoryMib,
          nics: spec.nics,
          disks: disks.map(({ slot, mode, file, isOwn }) => ({ slot, mode, ...(!isOwn && { file }) })),
        };
      },
      async change(vm, { apart, ...spec }) {
        if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
        const known = await files(vm).read();
        const own = known.disks.filter(({ isOwn }) => isOwn);
        const others = apart?.map((disk): QemuDisk => ({ ...disk, format: "raw", isOwn: false }));
        const disks = others ? [...own, ...others].sort((a, b) => a.slot - b.slot) : known.disks;
        await files(vm).write({ ...known, spec: { ...known.spec, ...spec }, disks });
      },
    },
  };
}
