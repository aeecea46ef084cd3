import type { GuestMode } from "../choices.ts";
import type { BeforeStep, OnFailure } from "./run-pipeline.ts";

export interface BuildRequest {
  readonly name: string;
  readonly rehearse: boolean;
  /** Use no checkpoints, and no result of a cache. */
  readonly fresh: boolean;
  /** Neither take the result from the site's cache nor push it there. */
  readonly noCache?: boolean;
  /**
   * Called when a step failed. By default, the machine is kept after a guest's fault, and removed after any
   * other failure.
   */
  readonly onFailure?: OnFailure;
  /** Called before each step that runs; the build waits for it. */
  readonly beforeStep?: BeforeStep;
  /** The further conversion of the recipe to build, instead of the template itself. */
  readonly to?: GuestMode;
  /** Boot no clones: the template is published untried. */
  readonly noTrial?: boolean;
  /** Stop after this step. */
  readonly until?: string;
}
