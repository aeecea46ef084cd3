import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { contractOf, type EnumeratedModule, parseContract, withModules } from "../../firstboot/contract.ts";
import { enumerate } from "../../firstboot/enumerate.ts";
import { injectModule, needsRunningGuest, scriptIn } from "../../firstboot/inject.ts";
import type { FirstBootModule } from "../../firstboot/module.ts";
import { sourceText } from "../../firstboot/python/source.ts";
import { standardParameters } from "../../firstboot/standard-modules.ts";
import { bootKernel } from "../../guest/boot-kernel.ts";
import { applyAll } from "../../guest/operation.ts";
import type { Host } from "../../host/host.ts";
import type { GuestTree } from "../../image/tree.ts";
import { liveGuest } from "../../image/ways/mounted-tree.ts";
import type { Digest } from "../../model/digest.ts";
import type { Parameter } from "../../model/manifest.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { makeOverlay, openImage } from "../guest-image.ts";
import { bootGuest, discard, fixedMacs, machineName, machineSpec, shutDown } from "../guest-machine.ts";
import type { Step, StepContext } from "../step.ts";
import type { InstalledGuest } from "./install-guest.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";

export interface InjectedGuest {
  readonly disk: string;
  readonly contract: readonly Parameter[];
  readonly kernel: string;
}

type Needs = InstalledGuest & ProvisionedGuest;

/**
 * Injects the first-boot modules and enables them. Usually, editing the image is enough. If not, the machine
 * is started, and the build reports why.
 */
export function injectModules(
  recipe: Recipe,
  modules: readonly FirstBootModule[],
  cloneDetection?: Digest,
): Step<Needs, InjectedGuest> {
  return {
    name: "inject-modules",
    module: import.meta.url,
    describe: () =>
      modules.length === 0
        ? "read first-boot parameters"
        : `inject ${modules.map((m) => m.name).join(", ")} and enable them`,
    inputs: () => ({
      ...Object.fromEntries(modules.map((module) => [`module ${module.name}`, module.digest])),
      ...(cloneDetection && { "clone detection": cloneDetection }),
      questions: "parameters, kernel",
    }),
    async run(context, given) {
      // Without additions, the seal adds the standard modules.
      const state = cloneDetection ? { ...given, modulesThere: await standardParameters() } : given;
      const image = join(context.out, "disk.qcow2");
      const offline = await injectOffline(context, state, modules, image);
      if (typeof offline !== "string") return { disk: image, ...offline };
      context.report({ type: "note", text: `the machine is started to inject modules: ${offline}` });
      await rm(image, { force: true });
      return { disk: image, ...(await injectOnline(context, recipe, state, modules, image)) };
    },
    cleanup: (context) => discard(context, "inject"),
  };
}

type Injected = Omit<InjectedGuest, "disk">;

/** Injects into an overlay of the provisioned disk. If that is impossible, returns the reason. */
async function injectOffline(
  context: StepContext,
  { disk, modulesThere }: Needs,
  modules: readonly FirstBootModule[],
  image: string,
): Promise<Injected | string> {
  await makeOverlay(context, disk, "qcow2", image);
  try {
    await using opened = await openImage(context, image);
    const { tree } = opened;
    const obstacle = modules.length === 0 ? undefined : await needsRunningGuest(tree);
    if (obstacle !== undefined) return obstacle;
    const kernel = await bootKernel(tree);
    if (kernel === undefined) return "its boot menu does not show which kernel it boots";
    const enumerated = await enumerateAll(tree, modules);
    if (typeof enumerated === "string") return enumerated;
    await applyAll(tree, modules.map(injectModule), (name) => context.progress(name));
    return { contract: contractOf(withModules(modulesThere, enumerated)), kernel };
  } catch (error) {
    if (!(error instanceof TbuildError) || error.fault !== "environment") throw error;
    return error.about(basename(image));
  }
}

/** The parameters of modules, read without running the modules; or why they are unknown. */
async function enumerateAll(
  tree: GuestTree,
  modules: readonly FirstBootModule[],
): Promise<EnumeratedModule[] | string> {
  const found: EnumeratedModule[] = [];
  for (const module of modules) {
    const priority = module.priorities.configure;
    if (priority === undefined) continue;
    const script = sourceText(await scriptIn(tree, module));
    const { parameters, doubts } = await enumerate(script, "configure");
    const [doubt] = doubts;
    if (doubt)
      return `only running the module ${module.name} shows its parameters (line ${doubt.line} ${doubt.reason})`;
    found.push({ priority, name: module.name, parameters });
  }
  return found;
}

async function injectOnline(
  context: StepContext,
  recipe: Recipe,
  { disk, key, modulesThere }: Needs,
  modules: readonly FirstBootModule[],
  image: string,
): Promise<Injected> {
  const name = machineName(context, "inject");
  await context.hypervisor.define(
    machineSpec(recipe, name, { grownFrom: disk }, { macs: fixedMacs(recipe.nics.length) }),
  );
  const guest = await bootGuest(context, name, { key });
  await injectLive(guest.host, modules, (name) => context.progress(`injecting ${name}`));
  context.progress("reading first-boot parameters");
  const contract = recipe.additions
    ? await askedContract(guest.host)
    : await readContract(context, modulesThere, modules);
  const kernel = (await guest.host.run(["uname", "-r"])).stdout.trim();
  await shutDown(context, guest);
  await context.hypervisor.fetchDisk(name, 0, image);
  return { contract, kernel };
}

async function askedContract(guest: Host): Promise<Parameter[]> {
  const { stdout } = await guest.run(["ovm-template-config", "--enumerate", "configure"]);
  return parseContract(stdout);
}

// Before the seal adds the modules, the guest cannot be asked about them.
async function readContract(
  context: StepContext,
  modulesThere: readonly EnumeratedModule[],
  modules: readonly FirstBootModule[],
): Promise<Parameter[]> {
  const found: EnumeratedModule[] = [];
  for (const { name, priorities, script } of modules) {
    if (priorities.configure === undefined) continue;
    const { parameters, doubts } = await enumerate(sourceText(script), "configure");
    for (const { line, reason } of doubts)
      context.report({ type: "note", text: `${name}: parameters may be missing: line ${line} ${reason}` });
    found.push({ priority: priorities.configure, name, parameters });
  }
  return contractOf(withModules(modulesThere, found));
}

// Closing the tree writes the changes, so it is closed before the guest is asked about them.
async function injectLive(
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
