import type { GuestMode } from "../choices.ts";

export interface BuildRequest {
  readonly name: string;
  readonly rehearse: boolean;
  /** Use no checkpoints. */
  readonly fresh: boolean;
  /** Keep the machine of a failed step for inspection. */
  readonly keep: boolean;
  /** The further conversion of the recipe that is wanted, in place of the template itself. */
  readonly to?: GuestMode;
  /** Stop after this step. */
  readonly until?: string;
}
