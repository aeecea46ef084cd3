import { randomUUID } from "node:crypto";
import { TbuildError } from "../../errors.ts";
import type { Hypervisor, VmSpec } from "../hypervisor.ts";
import type { FarDisks } from "./disks.ts";
import { type Definition, machinesIn, type XenDisk } from "./machine.ts";
import type { XenMachines } from "./machines.ts";

/** Makes machines, copies them, and changes their shape. */
export function shaping(
  machines: XenMachines,
  disks: FarDisks,
): Pick<Hypervisor, "define" | "clone" | "shapes"> {
  const { host, folder, paths, definitionOf, write, state, script } = machines;

  async function make(vm: string, definition: () => Promise<Definition>): Promise<void> {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(vm)) throw new Error(`bad machine name ${vm}`);
    const exists = (hint: string) =>
      new TbuildError("environment", "a machine of this name exists", { subject: vm, hint });
    if ((await state(vm)) !== "absent") throw exists("Remove it with: tbuild clean");
    if ((await machines.domains()).some(({ name }) => name === vm))
      throw exists(`It is a domain on ${host.name} that tbuild did not make: xl list ${vm}`);
    // Its disks contain files that only the guest's root may read.
    await script('umask 077; mkdir -p -- "$1" && mkdir -- "$0"', paths(vm).folder, machinesIn(folder));
    await write(vm, await definition());
  }

  async function definitionFor(spec: VmSpec): Promise<Definition> {
    const made = [];
    for (const disk of spec.disks.toSorted((one, other) => one.slot - other.slot))
      made.push(await disks.make(disk, paths(spec.name).disk(disk.slot)));
    const cdroms = [];
    for (const disc of spec.cdroms) cdroms.push(await disks.disc(disc));
    const { name, domainType, vcpus, memoryMib, nics, firmware, restarts } = spec;
    return {
      name,
      domainType,
      vcpus,
      memoryMib,
      nics,
      cdroms,
      uuid: randomUUID(),
      disks: made,
      ...(firmware && { firmware }),
      ...(restarts && { restarts }),
    };
  }

  return {
    define: (spec) => make(spec.name, () => definitionFor(spec)),

    async clone(vm, as) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const definition = await definitionOf(vm);
      await make(as.name, async () => {
        const copies = [];
        for (const disk of definition.disks)
          copies.push(await disks.clone(disk, paths(as.name).disk(disk.slot)));
        return { ...definition, ...as, uuid: randomUUID(), disks: copies };
      });
    },

    shapes: {
      async of(vm) {
        const { vcpus, memoryMib, nics, disks: all } = await definitionOf(vm);
        return {
          vcpus,
          memoryMib,
          nics,
          disks: all.map(({ slot, mode, file, isOwn }) => ({ slot, mode, ...(!isOwn && { file }) })),
        };
      },
      async change(vm, { apart, ...change }) {
        if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
        const known = await definitionOf(vm);
        const own = known.disks.filter(({ isOwn }) => isOwn);
        const others = apart?.map((disk): XenDisk => ({ ...disk, isOwn: false }));
        const all = others ? [...own, ...others].sort((a, b) => a.slot - b.slot) : known.disks;
        await write(vm, { ...known, ...change, disks: all });
      },
    },
  };
}
