import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Mount } from "../../image/access.ts";
import type { GuestTree } from "../../image/tree.ts";

export type Verdict = "fit" | "unfit" | "unknown";

/** One thing that speaks against a guest's boot, or is worth knowing. */
export interface Finding {
  /** With only remarks a guest is fit. */
  readonly weight: "unfit" | "unknown" | "remark";
  /** A file of the guest, or a volume of its disk. */
  readonly about: string;
  readonly why: string;
  readonly remedy?: string;
}

/** Whether a disk boots; if not or unknown, why. */
export interface BootCheck {
  readonly verdict: Verdict;
  /** What is booted, if that is known and there. */
  readonly boots?: Boots;
  readonly findings: readonly Finding[];
}

export interface Boots {
  readonly volume: string;
  readonly config: string;
  readonly kernel: string;
  readonly initrd?: string;
  readonly args: string;
}

/** An image, and its guest if that could be opened. */
export interface CheckedImage {
  readonly file: string;
  /** Why there is no guest. */
  readonly why?: string;
  readonly guest?: { readonly tree: GuestTree; readonly mounts: readonly Mount[] };
}

/** Unfit as soon as one finding is; unknown if nothing is unfit and one thing is unknown. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const has = (weight: Finding["weight"]) => findings.some((one) => one.weight === weight);
  return has("unfit") ? "unfit" : has("unknown") ? "unknown" : "fit";
}

/** What brings a guest to run in a mode, where a conversion can. */
export function conversion(mode: GuestMode): string {
  return `tbuild convert --to ${mode} IMAGE`;
}

/** A finding in one line. */
export function findingText({ about, why, remedy }: Finding): string {
  return `${about}: ${why}${remedy === undefined ? "" : `; remedy: ${remedy}`}`;
}

/** The value, or the reason why the guest does not give it. */
export async function orReason<T>(
  question: Promise<T>,
): Promise<{ readonly value: T } | { readonly why: string }> {
  try {
    return { value: await question };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return { why: error.message };
  }
}
