import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";
import { type Release, releases } from "../release.ts";
import { dracutFile, dracutText } from "./driver-config.ts";
import { initramfsPaths } from "./initramfs.ts";
import { type Kernel, kernelsOf } from "./kernels.ts";

/** Adds the drivers for Xen's disks and network cards to the initramfs of every kernel, with the running guest's own program. */
export function xenDrivers(release: Release): Operation {
  const { initrd } = releases[release.major];
  return {
    name: "xen-drivers",
    summary: "Put the Xen disk and network drivers into the initramfs of every kernel",
    needs: "programs",
    async pending(tree) {
      const found: string[] = [];
      if (initrd === "dracut" && (await tree.text(dracutFile)) !== dracutText) found.push(dracutFile);
      for (const kernel of await kernelsOf(tree)) {
        const lacking = await lackingDrivers(tree, kernel);
        if (lacking.length > 0) found.push(`${kernel.initramfs}: lacks ${lacking.join(", ")}`);
      }
      return found;
    },
    async apply(tree) {
      if (initrd === "dracut") await tree.write(dracutFile, dracutText);
      for (const kernel of await kernelsOf(tree)) {
        if ((await lackingDrivers(tree, kernel)).length === 0) continue;
        await requireModules(tree, kernel.version);
        await tree.run(initrd === "dracut" ? dracutArgv(kernel) : mkinitrdArgv(kernel));
      }
    },
  };
}

// Each driver has several names; kernel-xen of OL5 calls them xenblk and xennet.
const drivers = [
  {
    name: "xen-blkfront",
    files: /\/(?:xen[-_]blkfront|xenblk|xen[-_]vbd)\.ko/,
    option: "CONFIG_XEN_BLKDEV_FRONTEND=y",
  },
  {
    name: "xen-netfront",
    files: /\/(?:xen[-_]netfront|xennet|xen[-_]vnif)\.ko/,
    option: "CONFIG_XEN_NETDEV_FRONTEND=y",
  },
] as const;

async function lackingDrivers(tree: GuestTree, { version, initramfs }: Kernel): Promise<string[]> {
  const builtIn = (await tree.text(`/lib/modules/${version}/modules.builtin`)) ?? "";
  const config = (await tree.text(`/boot/config-${version}`)) ?? "";
  const wanted = drivers.filter(
    ({ files, option }) => !files.test(builtIn) && !config.split("\n").includes(option),
  );
  if (wanted.length === 0) return [];
  const image = await tree.read(initramfs);
  const paths = image ? (await initramfsPaths(image)).map((path) => `/${path}`) : [];
  return wanted.filter(({ files }) => !paths.some((path) => files.test(path))).map(({ name }) => name);
}

async function requireModules(tree: GuestTree, version: string): Promise<void> {
  const known = (await tree.text(`/lib/modules/${version}/modules.dep`)) ?? "";
  const absent = drivers.filter(({ files }) => !files.test(known)).map(({ name }) => name);
  if (known !== "" && absent.length > 0)
    throw new TbuildError("guest", `kernel ${version}: has no ${absent.join(", ")}`, {
      hint: "Install the package that has its modules (kernel-uek-modules, kernel-modules-extra), or another kernel.",
    });
}

function dracutArgv({ version, initramfs }: Kernel): string[] {
  return ["dracut", "--force", "--add-drivers", "xen-blkfront xen-netfront", initramfs, version];
}

// --allow-missing: the names differ between OL5's kernels, and an image may have several kernels.
function mkinitrdArgv({ version, initramfs }: Kernel): string[] {
  const names = version.endsWith("xen")
    ? ["xenblk", "xennet"]
    : ["xen-blkfront", "xen-netfront", "xen-vbd", "xen-vnif"];
  return ["mkinitrd", "-f", "--allow-missing", ...names.map((name) => `--with=${name}`), initramfs, version];
}
