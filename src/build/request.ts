import type { GuestMode } from "../choices.ts";
import type { BeforeStep, OnFailure } from "./pipeline.ts";

export interface BuildRequest {
  readonly name: string;
  readonly rehearse: boolean;
  /** Use no checkpoints. */
  readonly fresh: boolean;
  /** Called when a step failed; by default, the machine of a guest's fault is kept, and any other removed. */
  readonly onFailure?: OnFailure;
  /** Called before each step that runs; the build waits for it. */
  readonly beforeStep?: BeforeStep;
  /** The further conversion of the recipe that is wanted, in place of the template itself. */
  readonly to?: GuestMode;
  /** Stop after this step. */
  readonly until?: string;
}
