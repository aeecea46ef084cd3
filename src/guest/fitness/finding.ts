import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Mount } from "../../image/access.ts";
import type { GuestTree } from "../../image/tree.ts";

export type Verdict = "fit" | "unfit" | "unknown";

/** A reason why a guest may not boot, or a note. */
export interface Finding {
  /** Notes alone do not make a guest unfit. */
  readonly weight: "unfit" | "unknown" | "remark";
  /** A file of the guest, or a volume of its disk. */
  readonly about: string;
  readonly why: string;
  readonly remedy?: string;
}

/** Whether a disk boots, and the reasons if it does not or that is unknown. */
export interface BootCheck {
  readonly verdict: Verdict;
  /** The kernel that boots, if it is known and exists. */
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

/** Unfit if any finding is; unknown if none is unfit and any is unknown. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const has = (weight: Finding["weight"]) => findings.some((one) => one.weight === weight);
  return has("unfit") ? "unfit" : has("unknown") ? "unknown" : "fit";
}

/** The command that converts a guest to run in a mode, if a conversion can. */
export function conversion(mode: GuestMode): string {
  return `tbuild convert --to ${mode} IMAGE`;
}

/** A finding in one line. */
export function findingText({ about, why, remedy }: Finding): string {
  return `${about}: ${why}${remedy === undefined ? "" : `; remedy: ${remedy}`}`;
}

/** The value, or the reason why the guest does not provide it. */
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
