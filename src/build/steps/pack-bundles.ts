import { rm } from "node:fs/promises";
import { join } from "node:path";
import { packAll } from "../../bundles/write/index.ts";
import { isThere } from "../../io/durable.ts";
import { asDigest, digestOf } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { furtherDiskName } from "../../provision/further-disks.ts";
import { type Recipe, sealing } from "../../recipe/recipe.ts";
import { packedMemory } from "../home.ts";
import { freeVersion, type ManifestFrame, manifestOf } from "../manifest.ts";
import { imageOfVersion } from "../passport.ts";
import type { Step } from "../step.ts";
import type { AuditedImage } from "./audit-image.ts";
import type { ConvertedImage } from "./convert-image.ts";
import type { Sources } from "./fetch-medium.ts";
import type { InjectedGuest } from "./inject-modules.ts";
import type { KeptMaster } from "./keep-master.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";
import type { SealedImage } from "./seal-image.ts";

export interface PackedBundles {
  /** The template with its bundles. Publishing adds the facts that are known only later. */
  readonly draft: Manifest;
  readonly bundleFolder: string;
}

type Needs = Sources &
  ProvisionedGuest &
  InjectedGuest &
  KeptMaster &
  ConvertedImage &
  SealedImage &
  AuditedImage;

/** Numbers the template, stores its disk, and packs its bundles. `isTried`: it is published after a boot trial. */
export function packBundles(
  recipe: Recipe,
  frame: ManifestFrame,
  isTried: boolean,
): Step<Needs, PackedBundles> {
  return {
    name: "pack-bundles",
    module: import.meta.url,
    describe: () => `number the template and pack ${recipe.bundles.join(", ")}`,
    // The manifest contains the whole recipe, including values that affect neither the disk nor a bundle.
    inputs: () => ({
      bundles: recipe.bundles.join(" "),
      summary: recipe.summary,
      recipe: digestOf(frame.recipeText),
      // A version that was published without a trial is not changed. The tested one gets the next number.
      trial: isTried ? "yes" : "no",
    }),
    outdated: async (_context, { draft, bundleFolder }) => {
      for (const { file } of draft.bundles)
        if (!(await isThere(join(bundleFolder, file)))) return `the bundle ${file} no longer exists`;
      return undefined;
    },
    async run(context, state) {
      const version = await freeVersion(context, "template", state.passport.version);
      const { image, passport, guest } = await imageOfVersion(context, state, version, frame.recipeText);
      context.progress("storing the disk by digest");
      const disks = [await context.store.putDisk(image, "System", context.signal)];
      if (image !== state.image) await rm(image);
      for (const [index, file] of state.furtherDisks.entries())
        disks.push(await context.store.putDisk(file, furtherDiskName(index), context.signal));
      if (version !== recipe.version)
        context.report({
          type: "note",
          text: `${context.name}@${recipe.version} is already published with different content; this one is ${version}`,
        });
      const template: Manifest = {
        ...(await manifestOf(recipe, frame, context, state)),
        kind: "template",
        version,
        domainType: recipe.domainType,
        disks,
        parent: state.master,
        operations: [...state.converted, ...state.sealed],
        trial: [],
        passport: passport.id,
        guest,
        fitness: state.fitness,
        seal: {
          how: recipe.seal.how,
          skipped: recipe.seal.skip,
          kept: sealing(recipe).keep,
          armed: state.armed,
          audited: state.audited,
        },
      };
      const bundleFolder = join(context.home.bundles, `${context.name}-${version}`);
      const packed = await packAll(template, context.store, bundleFolder, recipe.bundles, {
        signal: context.signal,
        memory: packedMemory(context.home),
        progress: (format, done, total) => context.progress(`packing ${format}`, done, total),
      });
      const bundles = packed.map((bundle) => ({
        format: bundle.format,
        file: bundle.name,
        digest: asDigest(bundle.sha256),
        bytes: bundle.bytes,
      }));
      return { draft: { ...template, bundles }, bundleFolder };
    },
  };
}
