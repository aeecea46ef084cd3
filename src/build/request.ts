import type { GuestMode } from "../choices.ts";
import type { BeforeStep, OnFailure } from "./run-pipeline.ts";

export interface BuildRequest {
  readonly name: string;
  readonly rehearse: boolean;
  /** Use neither checkpoints nor cached results. */
  readonly fresh: boolean;
  /** Do not use the site's cache: neither read it nor push to it. */
  readonly noCache?: boolean;
  /**
   * Called after a step has failed. By default, a machine is kept after a guest's fault, and removed after
   * any other failure.
   */
  readonly onFailure?: OnFailure;
  /** Called before each step that runs; the build waits for it. */
  readonly beforeStep?: BeforeStep;
  /** The additional conversion to build instead of the template itself. */
  readonly to?: GuestMode;
  /** Boot no clones: the template is published untried. */
  readonly noTrial?: boolean;
  /** Stop after this step. */
  readonly until?: string;
}
