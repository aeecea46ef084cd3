import { createHash } from "node:crypto";
import { join } from "node:path";
import { convertOperations } from "../../guest/convert/index.ts";
import { applyAll } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import type { Host } from "../../host/host.ts";
import { liveGuest } from "../../image/mounted-tree.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import {
  bootGuest,
  discard,
  fixedMacs,
  machineName,
  machineSpec,
  shutDown,
  whileRunning,
} from "../guest-machine.ts";
import { contentOf, provision } from "../provision.ts";
import { serveRepositories } from "../repository-server.ts";
import type { Inputs, Step } from "../step.ts";
import type { FetchedMedium } from "./fetch-medium.ts";
import type { InstalledGuest } from "./install-guest.ts";

export interface ProvisionedGuest {
  readonly disk: string;
}

/** Boots what was installed and brings it to what the recipe says: repositories, additions, packages, files, scripts. */
export function provisionGuest(
  recipe: Recipe,
  folder: string,
  inputs: Inputs,
): Step<FetchedMedium & InstalledGuest, ProvisionedGuest> {
  return {
    name: "provision-guest",
    describe: () =>
      `install the additions and ${recipe.packages.install.length} packages, write ${recipe.files.length} files, over ssh`,
    inputs: ({ standInsDigest }) => ({ ...inputs, "stand-in repositories": standInsDigest ?? "none" }),
    async run(context, { disk, key, standIns }) {
      const name = machineName(context, "provision");
      await context.hypervisor.define(
        machineSpec(recipe, name, { grownFrom: disk }, { macs: fixedMacs(recipe.nics.length) }),
      );
      const guest = await bootGuest(context, name, { key });
      await using server = await serveRepositories(standIns);
      // Slirp shows the host's loopback to the guest as 10.0.2.2.
      const local = Object.fromEntries(
        Object.keys(standIns).map((id) => [id, `http://10.0.2.2:${server.port}/${id}/`]),
      );
      const { progress, signal } = context;
      const mirrors = { ...context.site.mirrors, ...local };
      const work = async () => {
        await provision(guest.host, recipe, { folder, mirrors, progress, signal });
        progress("making the initramfs fit for Xen");
        await applyPrograms(guest.host, recipe);
      };
      await whileRunning(context, name, work());
      await shutDown(context, guest);
      await context.hypervisor.fetchDisk(name, 0, join(context.out, "disk.qcow2"));
      return { disk: join(context.out, "disk.qcow2") };
    },
    cleanup: (context) => discard(context, "provision"),
  };
}

// What only a running guest can do of a conversion (its initramfs) is done here, so that the rest works offline.
async function applyPrograms(host: Host, recipe: Recipe): Promise<void> {
  await using tree = liveGuest(host);
  const operations = convertOperations(recipe.domainType, await readRelease(tree));
  await applyAll(
    tree,
    operations.filter((operation) => operation.needs === "programs"),
  );
}

/** What shapes provisioning, section by section, so that a plan can name the one that changed. */
export async function provisionInputs(recipe: Recipe, folder: string): Promise<Inputs> {
  const files = await Promise.all(
    recipe.files.map(async (file) => [file, digestOf(await contentOf(folder, file.content, file.from))]),
  );
  const scripts = await Promise.all(
    recipe.scripts.map(async (script) => [
      script.name,
      digestOf(await contentOf(folder, script.run, script.from)),
    ]),
  );
  const { repositories, additions, packages, groups, users, folders, services, domainType } = recipe;
  const sections = {
    repositories,
    additions,
    packages: packages.install.concat(packages.remove),
    groups,
    users,
    folders,
    services,
    files,
    scripts,
    drivers: domainType,
  };
  return Object.fromEntries(
    Object.entries(sections).map(([name, value]) => [name, digestOf(JSON.stringify(value))]),
  );
}

export function digestOf(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}
