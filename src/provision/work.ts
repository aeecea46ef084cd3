import type { Recipe } from "../recipe/recipe.ts";
import { type Act, type ActOptions, configurationActs, repositoryActs } from "./acts.ts";
import { fstabLine } from "./further-disks.ts";
import { type YumOptions, type YumWork, yumWork } from "./yum.ts";

/** The input of provisioning besides the recipe. */
export type WorkOptions = YumOptions & ActOptions;

/**
 * What provisioning does in a guest, in the order of its members. Everything that depends on the recipe is decided here;
 * `provision.ts` does it over ssh, and `post-script.ts` writes it as shell for %post.
 */
export interface Work {
  /** Mounts further disks first, so that later files land on them. The installer's %post does not see these disks. */
  readonly disks: readonly Act[];
  readonly repositories: readonly Act[];
  readonly yum: YumWork;
  readonly configuration: readonly Act[];
}

export async function workOf(recipe: Recipe, options: WorkOptions): Promise<Work> {
  return {
    disks: diskActs(recipe),
    repositories: repositoryActs(recipe),
    yum: yumWork(recipe, options),
    configuration: await configurationActs(recipe, options),
  };
}

function diskActs(recipe: Recipe): Act[] {
  const script =
    'mkdir -p -- "$0" && echo "$1" >> /etc/fstab && mount "$0" && { [ ! -x /sbin/restorecon ] || /sbin/restorecon "$0"; }';
  return recipe.disks.flatMap((disk, index) =>
    disk.mount === undefined
      ? []
      : [
          {
            about: `disk ${disk.mount}`,
            run: ["sh", "-c", script, disk.mount, fstabLine(recipe, disk, index)],
          },
        ],
  );
}
