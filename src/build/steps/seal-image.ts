import { rename } from "node:fs/promises";
import { join } from "node:path";
import { findLeftovers, readTraits, type Trait } from "../../guest/leftovers/index.ts";
import { applyAll, type Done, type Operation } from "../../guest/operation.ts";
import { type Passport, writePassport } from "../../guest/passport.ts";
import { sealOperations, sealsSwap, swapRenewal } from "../../guest/seal/index.ts";
import { sealOnline } from "../../guest/seal-online.ts";
import { swapPending } from "../../guest/swapped-memory.ts";
import { renewSwap } from "../../image/change/swap.ts";
import { volumesOf } from "../../image/disk/disk.ts";
import type { Digest } from "../../model/digest.ts";
import { meantToStay, type Recipe, sealing } from "../../recipe/recipe.ts";
import { changeImage, clearBench } from "../change-image.ts";
import { openImage } from "../guest-image.ts";
import { bootGuest, discard, fixedMacs, machineName, machineSpec, patient } from "../guest-machine.ts";
import { freeVersion } from "../manifest.ts";
import { newPassport } from "../passport.ts";
import type { Step, StepContext } from "../step.ts";
import type { ConvertedImage } from "./convert-image.ts";
import type { InstalledGuest } from "./install-guest.ts";

export interface SealedImage {
  /** The raw image, sealed and armed. */
  readonly image: string;
  readonly sealed: readonly Done[];
  /** Findings that no operation removes and the recipe does not keep, each with its path. */
  readonly leftovers: readonly string[];
  /** The passport in the image. */
  readonly passport: Passport;
}

/** The contents of /etc/tbuild-release. */
export interface PassportFacts {
  readonly recipeText: string;
}

/** Removes every identity, arms the first boot, and writes the passport; offline, or in the running guest. */
export function sealImage(
  recipe: Recipe,
  facts: PassportFacts,
  cloneDetection?: Digest,
): Step<InstalledGuest & ConvertedImage, SealedImage> {
  const seal = sealing(recipe);
  const { how } = seal;
  return {
    name: "seal-image",
    module: import.meta.url,
    changesImage: true,
    runsMachine: how === "online",
    describe: () => `seal ${how} and arm the first boot`,
    inputs: () => ({
      how,
      skip: seal.skip.join(" "),
      keep: seal.keep.join(" "),
      ...(cloneDetection && { "clone detection": cloneDetection }),
      meant: meantToStay(recipe).join(" "),
      operations: [...sealOperations(seal), ...(sealsSwap(seal) ? [swapRenewal] : [])]
        .map((o) => o.name)
        .join(" "),
    }),
    async run(context, { image: converted, key }) {
      const image = join(context.out, "System.img");
      const numbered = await freeVersion(context, "template", recipe.version);
      const passport = newPassport(context, numbered, facts.recipeText);
      const operations = [writePassport(passport), ...sealOperations(seal)];
      context.progress("copying the image");
      await context.host.run(["cp", "--sparse=always", "--reflink=auto", converted, image], {
        signal: context.signal,
      });
      const traits = await traitsOf(context, image);
      const online = how === "online" ? await sealInGuest(context, recipe, image, key, operations) : [];
      // This also runs after an online seal, to remove what the guest wrote while it shut down.
      const offline = [
        ...(await sealOffline(context, image, operations)),
        ...(sealsSwap(seal) ? swapPending(await renewSwap(context.host, image, await volumesOf(image))) : []),
      ];
      return {
        image,
        leftovers: await leftoversIn(context, image, traits, { keep: seal.keep, meant: meantToStay(recipe) }),
        passport,
        sealed: offline.map(({ name, done }) => ({
          name,
          done: [...(online.find((one) => one.name === name)?.done ?? []), ...done],
        })),
      };
    },
    async cleanup(context) {
      await discard(context, purpose);
      await clearBench(context, purpose);
    },
  };
}

const purpose = "seal";
const mostLeftoversTold = 10;

// Read before the seal removes what identifies the guest.
async function traitsOf(context: StepContext, image: string): Promise<Trait[]> {
  await using opened = await openImage(context, image, { readOnly: true });
  return await readTraits(opened.tree);
}

async function sealOffline(
  context: StepContext,
  image: string,
  operations: readonly Operation[],
): Promise<Done[]> {
  return await changeImage(context, image, purpose, ({ tree }) =>
    applyAll(tree, operations, context.progress),
  );
}

async function leftoversIn(
  context: StepContext,
  image: string,
  traits: readonly Trait[],
  stays: { readonly keep: readonly string[]; readonly meant: readonly string[] },
): Promise<string[]> {
  context.progress("searching for identities and secrets");
  await using opened = await openImage(context, image, { readOnly: true });
  const { signal } = context;
  const { found } = await findLeftovers(opened.tree, { traits, pending: [], ...stays, signal });
  const all = found.map(({ path, what }) => `${what} in ${path}`);
  for (const left of all.slice(0, mostLeftoversTold))
    context.report({ type: "note", text: `left in the image: ${left}` });
  if (all.length > mostLeftoversTold)
    context.report({ type: "note", text: `left in the image: ${all.length - mostLeftoversTold} more` });
  return all;
}

// Runs Oracle's own clean-up in the running guest first, then removes everything that it left.
async function sealInGuest(
  context: StepContext,
  recipe: Recipe,
  image: string,
  key: string,
  operations: readonly Operation[],
): Promise<Done[]> {
  const name = machineName(context, purpose);
  await context.hypervisor.define(
    machineSpec(recipe, name, { copyOf: image }, { macs: fixedMacs(recipe.nics.length) }),
  );
  const guest = await bootGuest(context, name, { key });
  context.progress("ovmd -s cleanup; service ovmd enable-initial-config");
  const done = await sealOnline(guest.host, operations);
  await context.hypervisor.waitStopped(name, {
    timeoutMs: patient(context, 180_000),
    signal: context.signal,
  });
  await context.hypervisor.fetchDisk(name, 0, `${image}.sealed`);
  await rename(`${image}.sealed`, image);
  return done;
}
