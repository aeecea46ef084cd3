import { join } from "node:path";
import { parseEnumerated } from "../../firstboot/contract.ts";
import { inGuestOperations } from "../../guest/convert/in-guest.ts";
import { applyAll } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import type { Host } from "../../host/host.ts";
import { liveGuest } from "../../image/ways/mounted-tree.ts";
import { amount } from "../../io/units.ts";
import { makeFurtherDisks } from "../../provision/further-disks.ts";
import { installedPackages, packagedFiles, repositoriesOf } from "../../provision/installed.ts";
import { proveProvisioned, provision } from "../../provision/provision.ts";
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
import type { Inputs } from "../inputs.ts";
import { type GuestAnswers, provisionStopped } from "../provision-stopped.ts";
import { loopbackFor, mirrorsFor, onlyStandIns, proxyOf, serveRepositories } from "../repository-server.ts";
import type { PasswordMarks } from "../secrets.ts";
import type { Step, StepContext } from "../step.ts";
import type { Sources } from "./fetch-medium.ts";
import type { InstalledGuest, RecipeAt } from "./install-guest.ts";

export interface ProvisionedGuest extends GuestAnswers {
  readonly disk: string;
  /** The disks after provisioning. */
  readonly furtherDisks: readonly string[];
  /** The marks of the passwords that provisioning has set. */
  readonly passwords: PasswordMarks;
}

/**
 * Configures the installed guest over ssh according to the recipe, and reads its contents. A guest that comes
 * from a template is started only if editing its image is not enough.
 */
export function provisionGuest(
  made: RecipeAt,
  inputs: Inputs,
): Step<Sources & InstalledGuest, ProvisionedGuest> {
  const { recipe } = made;
  return {
    name: "provision-guest",
    module: import.meta.url,
    runsMachine: true,
    describe: () =>
      recipe.provision === "post"
        ? "check what the installer's %post has installed"
        : `add${recipe.from === undefined ? " over ssh" : ""}: ${broughtIn(recipe)}`,
    inputs: ({ standInsDigest }) => ({
      ...inputs,
      "stand-in repositories": standInsDigest ?? "none",
      questions: "packages, their files in /etc, first-boot parameters",
    }),
    outdated: (_context, { passwords }) => made.passwords.changed(passwords),
    async run(context, given) {
      if (given.base === undefined) return await provisionOnline(context, made, given);
      const image = join(context.out, "disk.qcow2");
      const from = { disk: given.disk, base: given.base };
      const answers = await provisionStopped(context, made, from, image);
      if (typeof answers !== "string") return { disk: image, furtherDisks: [], passwords: {}, ...answers };
      context.report({ type: "note", text: `the machine is started to configure the guest: ${answers}` });
      return await provisionOnline(context, made, given);
    },
    cleanup: (context) => discard(context, "provision"),
  };
}

async function provisionOnline(
  context: StepContext,
  { recipe, folder, passwords }: RecipeAt,
  { disk, key, standIns }: Sources & InstalledGuest,
): Promise<ProvisionedGuest> {
  const name = machineName(context, "provision");
  const { served, urls } = mirrorsFor(context.site.mirrors, standIns);
  const loopback = loopbackFor(context.hypervisor, served);
  const furtherDisks = await makeFurtherDisks(context.host, recipe, context.out, context.signal);
  const further = furtherDisks.map((copyOf) => ({ copyOf }));
  await context.hypervisor.define(
    machineSpec(recipe, name, { grownFrom: disk }, { macs: fixedMacs(recipe.nics.length), further }),
  );
  const guest = await bootGuest(context, name, { key });
  await using server = await serveRepositories(served);
  const mirrors = urls(server.port, loopback);
  const { progress, signal } = context;
  const work = async () => {
    if (recipe.provision === "post") await proveProvisioned(guest.host, recipe);
    else {
      const hashes = await passwords.hashes(context.host);
      const only = { ...onlyStandIns(standIns), ...proxyOf(context) };
      await provision(guest.host, recipe, { folder, mirrors, ...only, passwords: hashes, progress, signal });
    }
    progress("making the initramfs with Xen's drivers");
    await applyPrograms(guest.host, recipe);
    progress("reading packages and first-boot parameters");
    return ask(guest.host, recipe);
  };
  const answers = await whileRunning(context, name, work());
  await shutDown(context, guest);
  await context.hypervisor.fetchDisk(name, 0, join(context.out, "disk.qcow2"));
  for (const [index, file] of furtherDisks.entries())
    await context.hypervisor.fetchDisk(name, index + 1, file);
  const marks = recipe.provision === "post" ? {} : await passwords.marks();
  return { disk: join(context.out, "disk.qcow2"), furtherDisks, passwords: marks, ...answers };
}

// Makes the initramfs for a conversion, which only a running guest can do. The rest of the conversion works
// offline.
async function applyPrograms(host: Host, recipe: Recipe): Promise<void> {
  await using tree = liveGuest(host);
  await applyAll(tree, inGuestOperations(recipe.domainType, await readRelease(tree)));
}

async function ask(guest: Host, recipe: Recipe): Promise<GuestAnswers> {
  const packages = await installedPackages(guest, await repositoriesOf(guest));
  const files = await packagedFiles(guest);
  if (recipe.additions === undefined) return { packages, packagedFiles: files, modulesThere: [] };
  const { stdout } = await guest.run(["ovm-template-config", "--enumerate", "configure"]);
  return { packages, packagedFiles: files, modulesThere: parseEnumerated(stdout) };
}

function broughtIn(recipe: Recipe): string {
  const { packages, users, files, scripts } = recipe;
  const counts = { package: packages.install, user: users, file: files, script: scripts };
  const some = Object.entries(counts).filter(([, { length }]) => length > 0);
  const listed = [
    ...(recipe.additions ? ["the additions"] : []),
    ...some.map(([what, { length }]) => amount(length, what)),
  ];
  return listed.length === 0 ? "nothing" : listed.join(", ");
}
