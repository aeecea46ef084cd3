import type { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { StepContext } from "../step.ts";

/** The template that a recipe starts from instead of an installation. */
export interface Base {
  /** As plans and doctor name it. */
  readonly words: string;
  /** Of its manifest or, for a file that is not imported yet, of the file. */
  readonly digest: Digest;
  /** Its manifest, as far as it is known before the build. */
  readonly manifest?: Manifest;
  /** Brings it into the store, unless it is there. */
  readonly bring: (context: BringContext) => Promise<Manifest>;
}

export type BringContext = Pick<
  StepContext,
  "home" | "host" | "store" | "records" | "signal" | "progress" | "report" | "tbuild"
>;

export interface Wanted {
  /** As the recipe says it. */
  readonly from: string;
  /** The recipe's folder. */
  readonly folder: string;
  readonly rehearse: boolean;
}

/** Why a recipe cannot start from what it names. */
export type Refusal = (why: string, hint: string) => TbuildError;
