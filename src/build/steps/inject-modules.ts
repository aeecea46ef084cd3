import { join } from "node:path";
import { parseContract } from "../../firstboot/contract.ts";
import { injectModule } from "../../firstboot/inject.ts";
import type { FirstBootModule } from "../../firstboot/module.ts";
import { applyAll } from "../../guest/operation.ts";
import type { PackagedFiles } from "../../guest/portrait.ts";
import type { Host } from "../../host/host.ts";
import { liveGuest } from "../../image/ways/mounted-tree.ts";
import type { PackageRecord, Parameter } from "../../model/manifest.ts";
import { installedPackages, packagedFiles, repositoriesOf } from "../../provision/provision.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { bootGuest, discard, fixedMacs, machineName, machineSpec, shutDown } from "../guest-machine.ts";
import type { Step } from "../step.ts";
import type { InstalledGuest } from "./install-guest.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";

export interface InjectedGuest {
  readonly disk: string;
  readonly packages: readonly PackageRecord[];
  readonly contract: readonly Parameter[];
  readonly kernel: string;
  /** What packages put into /etc; what differs from it was made by hand. */
  readonly packagedFiles: PackagedFiles;
}

/** Puts the first-boot modules in and enables them, then asks the guest what it is made of. */
export function injectModules(
  recipe: Recipe,
  modules: readonly FirstBootModule[],
): Step<InstalledGuest & ProvisionedGuest, InjectedGuest> {
  return {
    name: "inject-modules",
    module: import.meta.url,
    describe: () =>
      modules.length === 0
        ? "read packages and first-boot parameters"
        : `inject ${modules.map((m) => m.name).join(", ")} (ovm-chkconfig --add)`,
    inputs: () => ({
      ...Object.fromEntries(modules.map((module) => [`module ${module.name}`, module.digest])),
      questions: "packages, their files in /etc, parameters, kernel",
    }),
    async run(context, { disk, key }) {
      const name = machineName(context, "inject");
      await context.hypervisor.define(
        machineSpec(recipe, name, { grownFrom: disk }, { macs: fixedMacs(recipe.nics.length) }),
      );
      const guest = await bootGuest(context, name, { key });
      await inject(guest.host, modules, (name) => context.progress(`injecting ${name}`));
      context.progress("reading packages and first-boot parameters");
      const packages = await installedPackages(guest.host, await repositoriesOf(guest.host));
      const files = await packagedFiles(guest.host);
      const enumerated = await guest.host.run(["ovm-template-config", "--enumerate", "configure"]);
      const kernel = (await guest.host.run(["uname", "-r"])).stdout.trim();
      await shutDown(context, guest);
      await context.hypervisor.fetchDisk(name, 0, join(context.out, "disk.qcow2"));
      return {
        disk: join(context.out, "disk.qcow2"),
        packages,
        contract: parseContract(enumerated.stdout),
        kernel,
        packagedFiles: files,
      };
    },
    cleanup: (context) => discard(context, "inject"),
  };
}

// The changes reach the guest when the tree is closed, so it is closed before the guest is asked about them.
async function inject(
  host: Host,
  modules: readonly FirstBootModule[],
  say: (name: string) => void,
): Promise<void> {
  for (const module of modules) {
    say(module.name);
    await using tree = liveGuest(host);
    await applyAll(tree, [injectModule(module)]);
  }
}
