import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { buildOperations } from "../../guest/convert/index.ts";
import { portraitOf } from "../../guest/describe-guest.ts";
import { findingText } from "../../guest/fitness/finding.ts";
import { madeFitness } from "../../guest/fitness/fitness.ts";
import { auditAll, type Done } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import { sealOperations, sealsSwap } from "../../guest/seal/index.ts";
import { Survey } from "../../guest/survey.ts";
import { swapPending } from "../../guest/swapped-memory.ts";
import type { Host } from "../../host/host.ts";
import type { Volume } from "../../image/access.ts";
import { swapStates } from "../../image/change/swap.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import { amount } from "../../io/units.ts";
import type { FitnessRecord, GuestRecord } from "../../model/manifest.ts";
import { bootSentence } from "../../model/manifest-sentences.ts";
import { type Recipe, sealing } from "../../recipe/recipe.ts";
import { openImage } from "../guest-image.ts";
import type { Step } from "../step.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";
import type { SealedImage } from "./seal-image.ts";

export interface AuditedImage {
  /** The operations that found nothing pending. */
  readonly audited: readonly string[];
  readonly armed: boolean;
  readonly guest: GuestRecord;
  readonly fitness: FitnessRecord;
}

/** Reopens the finished image, also after an online seal. Nothing may be pending, and the file systems must be clean. */
export function auditImage(
  recipe: Recipe,
  mode: GuestMode,
): Step<ProvisionedGuest & SealedImage, AuditedImage> {
  return {
    name: "audit-image",
    module: import.meta.url,
    describe: () => "reopen the image, check that nothing is pending, and record its contents",
    inputs: () => ({
      mode,
      writes: "services, users, modules, files in /etc",
      allowUnfit: String(recipe.allowUnfit),
    }),
    async run(context, { image, packagedFiles }) {
      await using opened = await openImage(context, image, { readOnly: true });
      const mounted = opened.mounts.map(({ volume }) => volume);
      const convert = buildOperations(mode, await readRelease(opened.tree), mounted);
      const operations = [...convert, ...sealOperations(sealing(recipe))];
      const found = [
        ...(await auditAll(opened.tree, operations)),
        ...(sealsSwap(sealing(recipe)) ? await swapLeft(context.host, image, opened.volumes) : []),
      ];
      const pending = found.flatMap((one) => one.done.map((left) => `${one.name}: ${left}`));
      if (pending.length > 0)
        throw new TbuildError(
          "integrity",
          `the sealed image is not clean: ${amount(pending.length, "pending change")}`,
          {
            lines: pending.slice(0, 40),
            hint: "This is a bug in an operation of tbuild: it reported success, but left something to do.",
          },
        );
      const unread = opened.others.filter(({ state }) => state === "unknown");
      if (unread.length > 0)
        throw new TbuildError("integrity", "the sealed image has volumes that were not inspected", {
          lines: unread.map(({ name, why }) => `${name} ${why}`),
          hint: "Mount them in the recipe so that they are sealed.",
        });
      context.progress("checking that it boots on its target");
      const fitness = await madeFitness(context.host, { file: image, guest: opened }, mode);
      refuseUnfit(recipe, fitness);
      if (fitness.verdict !== "fit")
        context.report({ type: "note", text: bootSentence({ ...recipe, fitness }) });
      context.progress("recording its contents");
      const survey = new Survey(opened.tree, opened.volumes);
      return {
        audited: operations.map((operation) => operation.name),
        armed: (await survey.toArm()).length === 0,
        guest: await portraitOf(survey, packagedFiles),
        fitness,
      };
    },
  };
}

/** Throws if the image is known not to boot on its target, unless the recipe allows that. */
export function refuseUnfit(
  { allowUnfit }: Pick<Recipe, "allowUnfit">,
  { verdict, findings, target, mode }: FitnessRecord,
): void {
  if (verdict !== "unfit" || allowUnfit) return;
  throw new TbuildError("guest", `the image does not boot as ${mode}, checked for ${target}`, {
    lines: findings.filter(({ weight }) => weight === "unfit").map(findingText),
    hint: "Correct the recipe, choose another domainType, or build it anyway with `allowUnfit: true`.",
  });
}

async function swapLeft(host: Host, image: string, volumes: readonly Volume[]): Promise<Done[]> {
  await using file = await readImageFile(image);
  return swapPending(await swapStates(host, file, volumes));
}
