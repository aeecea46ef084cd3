import type { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { StepContext } from "../step.ts";

/** The template that a recipe starts from instead of an installation. */
export interface Base {
  /** Its name in plans and in doctor. */
  readonly words: string;
  /** The digest of its manifest or, if a file is not imported yet, of the file. */
  readonly digest: Digest;
  /** Its manifest, as far as it is known before the build. */
  readonly manifest?: Manifest;
  /** Adds it to the store if it is missing there. */
  readonly bring: (context: BringContext) => Promise<Manifest>;
}

export type BringContext = Pick<
  StepContext,
  "home" | "host" | "store" | "records" | "signal" | "progress" | "report" | "tbuild"
>;

export interface Wanted {
  /** As written in the recipe. */
  readonly from: string;
  /** The recipe's folder. */
  readonly folder: string;
  readonly rehearse: boolean;
}

/** The error if a recipe cannot start from this template. */
export type Refusal = (why: string, hint: string) => TbuildError;
