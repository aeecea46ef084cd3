import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { sharedIdentity } from "../../guest/identity.ts";
import { amount } from "../../io/units.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Step, StepContext } from "../step.ts";
import { compareClones, discardClones, tryClones } from "../trial.ts";
import type { ProvisionedGuest } from "./provision-guest.ts";
import type { SealedImage } from "./seal-image.ts";

export interface Tried {
  /** The observations, one sentence each. */
  readonly trial: readonly string[];
}

/**
 * Boots disposable clones of the sealed image with new MACs, configures them by first-boot messages with the root
 * password last, and checks the results. Then it reboots each clone, and checks that nothing runs again.
 */
export function bootTrial(recipe: Recipe, mode: GuestMode): Step<SealedImage & ProvisionedGuest, Tried> {
  const { clones, messages, checks } = recipe.trial;
  const { detect } = recipe.firstBoot;
  return {
    name: "boot-trial",
    module: import.meta.url,
    runsMachine: true,
    describe: () =>
      `boot ${amount(clones, "clone")}, configure ${clones === 1 ? "it" : "them"} by ${detect === "mac" ? "a disc" : "messages"}, and reboot`,
    inputs: () => ({
      clones: String(clones),
      messages: JSON.stringify(messages),
      checks: JSON.stringify(checks),
      machine: JSON.stringify(recipe.machine),
      nics: recipe.nics.join(" "),
      ...(detect !== "flag" && { detect }),
      ...(mode !== "hvm" && { mode }),
      ...(recipe.disks.length > 0 && { disks: JSON.stringify(recipe.disks) }),
    }),
    async run(context, { image, furtherDisks }) {
      const tried = await tryClones(context, { ...recipe, mode, detect }, [image, ...furtherDisks], clones);
      const identities = tried.map(({ identity }) => identity);
      const shared = identities.flatMap((one, i) =>
        identities.slice(i + 1).flatMap((other) => sharedIdentity(one, other)),
      );
      if (shared.length > 0)
        throw new TbuildError("integrity", "two clones of the template share identities", { lines: shared });
      const seen = tried.flatMap((clone) => clone.seen);
      if (clones < 2) return { trial: seen };
      seen.push(`${amount(clones, "clone")} share no hostname, address, host key, machine id or MAC`);
      return { trial: [...seen, ...(await comparedDisks(context))] };
    },
    cleanup: (context) => discardClones(context, clones),
  };
}

/**
 * Reports what two clones still share after their first boot and a reboot, although each should have its own.
 * This finds identities that no list names. It does not fail the build, because only a person can judge a
 * random string.
 */
async function comparedDisks(context: StepContext): Promise<string[]> {
  try {
    const { suspects } = await compareClones(context, context.out);
    for (const { path, what } of suspects.slice(0, 10))
      context.report({ type: "note", text: `both clones have the same ${path}: ${what}` });
    return suspects.length === 0 ? ["2 clones share no file that should be unique"] : [];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    context.report({ type: "note", text: `the clones were not compared: ${error.message}` });
    return [];
  }
}
