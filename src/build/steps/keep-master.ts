import { rm } from "node:fs/promises";
import { join } from "node:path";
import { imageFormat } from "../../hypervisor/hypervisor.ts";
import { amount } from "../../io/units.ts";
import type { Digest } from "../../model/digest.ts";
import type { StoredDisk } from "../../model/disk.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { ManifestFrame } from "../manifest.ts";
import { freeVersion, manifestOf } from "../manifest.ts";
import type { Step } from "../step.ts";
import type { Sources } from "./fetch-medium.ts";
import type { InjectedGuest } from "./inject-modules.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";

export interface KeptMaster {
  readonly master: Digest;
  readonly masterDisk: StoredDisk;
}

/** Flattens the disk and stores it unsealed. Templates are always made from copies of it. */
export function keepMaster(
  recipe: Recipe,
  frame: ManifestFrame,
): Step<Sources & ProvisionedGuest & InjectedGuest, KeptMaster> {
  return {
    name: "keep-master",
    module: import.meta.url,
    describe: () => "store the unsealed master",
    inputs: () => ({
      name: recipe.name,
      version: recipe.version,
      machine: `${amount(recipe.machine.vcpus, "vcpu")}, ${recipe.machine.memory} MiB`,
      nics: recipe.nics.join(" "),
      ...(recipe.machine.firmware === "uefi" && { firmware: "uefi" }),
    }),
    outdated: async ({ store }, { master }) =>
      (await store.get(master)) ? undefined : "the master is no longer in the store",
    async run(context, state) {
      const raw = join(context.out, "System.img");
      context.progress("flattening the disk");
      const from = ["-f", imageFormat(state.disk), state.disk];
      await context.host.run(["qemu-img", "convert", "-O", "raw", ...from, raw], { signal: context.signal });
      context.progress("storing it by digest");
      const masterDisk = await context.store.putDisk(raw, "System", context.signal);
      await rm(raw);
      const manifest: Manifest = {
        ...(await manifestOf(recipe, frame, context, state)),
        kind: "master",
        version: await freeVersion(context, "master", recipe.version),
        // A master is the installed disk, so it is an HVM guest, whatever its templates are converted to.
        domainType: "XEN_HVM",
        disks: [masterDisk],
        ...(state.base && { parent: state.base }),
        timings: context.timings,
        took: context.took,
        makers: context.makers,
      };
      await context.records.check(manifest);
      const master = await context.store.publish(manifest);
      await context.records.put(manifest);
      return { master, masterDisk };
    },
  };
}
