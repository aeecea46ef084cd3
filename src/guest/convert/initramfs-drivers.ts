import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { type Driver, driversOf } from "../fitness/drivers.ts";
import { grubChoice } from "../fitness/grub.ts";
import { kernelRelease } from "../fitness/kernel-notes.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { withModules } from "./append.ts";
import { initramfsEntries } from "./initramfs.ts";
import { type Kernel, kernelsOf, mayRun } from "./kernels.ts";
import { concernsLvm, lvmFixes } from "./lvm.ts";
import { modulesOf } from "./modules.ts";
import { wantedDrivers } from "./wanted.ts";

/** Adds the drivers that a mode needs to the initramfs of each kernel that can run in it, without running the guest's programs. */
export function initramfsDrivers(mode: GuestMode, release: Release): Operation {
  return {
    name: "initramfs-drivers",
    summary: "Add the drivers of the new machine to each initramfs, and let LVM use the new disks there",
    needs: "files",
    pending: async (tree) =>
      (await lackingOf(tree, mode, release)).map(
        ({ kernel: { initramfs }, drivers, fixes }) =>
          `${initramfs}: ${[
            ...(drivers.length > 0 ? [`lacks ${drivers.map(({ name }) => name).join(", ")}`] : []),
            ...(fixes.length > 0 ? [`${fixes.join(", ")}: has the old names of disks`] : []),
          ].join("; ")}`,
      ),
    async apply(tree) {
      for (const { kernel, drivers } of await lackingOf(tree, mode, release)) {
        const { version, initramfs } = kernel;
        const list = await modulesOf(tree, version);
        const modules = list.inOrder(drivers.flatMap((driver) => list.of(driver)));
        const image = (await tree.read(initramfs)) ?? new Uint8Array();
        await tree.write(initramfs, await withModules(image, tree, { version, modules }));
      }
    },
  };
}

interface Lacking {
  readonly kernel: Kernel;
  readonly drivers: readonly Driver[];
  /** Files of the initramfs that name disks of the old machine. */
  readonly fixes: readonly string[];
}

async function lackingOf(tree: GuestTree, mode: GuestMode, guest: Release): Promise<Lacking[]> {
  const found: Lacking[] = [];
  const booted = await bootedVersion(tree);
  for (const kernel of (await kernelsOf(tree)).filter(({ version }) => mayRun(version, guest, mode))) {
    const { version, initramfs } = kernel;
    const image = `/boot/vmlinuz-${version}`;
    if ((await tree.stat(initramfs)) === undefined) continue;
    const release = kernelRelease((await tree.read(image)) ?? new Uint8Array());
    const { has, unknown } = await driversOf({
      files: tree,
      kernel: image,
      version,
      release,
      initrd: initramfs,
    });
    if (unknown && version === booted)
      throw new TbuildError("guest", unknown.why, { subject: unknown.about });
    if (unknown) continue;
    const list = await modulesOf(tree, version);
    const isThere = (driver: Driver) => list.of(driver).length > 0;
    const { needed, wished } = wantedDrivers[mode];
    const impossible = needed.filter((some) => !some.some((driver) => has(driver) || isThere(driver)));
    if (impossible.length > 0 && version === booted)
      throw new TbuildError(
        "guest",
        `lacks the module ${impossible.map((some) => some.map(({ name }) => name).join(" or ")).join(", ")}, and none is built in`,
        {
          subject: `kernel ${version}`,
          hint: "Install the package that has its modules (kernel-uek-modules, kernel-modules-extra), or another kernel.",
        },
      );
    if (impossible.length > 0) continue;
    const wanted = [...needed.flat(), ...wished].filter((driver) => !has(driver) && isThere(driver));
    const { entries } = await initramfsEntries((await tree.read(initramfs)) ?? new Uint8Array(), concernsLvm);
    const fixes = lvmFixes(entries).map(({ path }) => path);
    if (wanted.length > 0 || fixes.length > 0) found.push({ kernel, drivers: [...new Set(wanted)], fixes });
  }
  return found;
}

// A kernel that the menu does not boot by default may lack drivers.
async function bootedVersion(tree: GuestTree): Promise<string | undefined> {
  const choice = await grubChoice(tree);
  return "refused" in choice ? undefined : /vmlinu[xz]-(.+)$/.exec(choice.kernel)?.[1];
}
