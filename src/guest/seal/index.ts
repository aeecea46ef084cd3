import type { CloneDetector } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { firstBoot } from "../../firstboot/arming.ts";
import { cloneDetection } from "../../firstboot/clone-detection.ts";
import type { Operation } from "../operation.ts";
import { autorelabel } from "./autorelabel.ts";
import { sealTable } from "./table.ts";

/** A seal does this to a disk's volumes, not to files: `ChangeOptions.renewSwap`. */
export const swapRenewal = {
  name: "swap",
  summary:
    "Recreate swap volumes and swap files with the same UUID, label and size, without memory contents of the build",
} as const;

/** What a seal can skip. */
export const sealParts: readonly { readonly name: string; readonly summary: string }[] = [
  ...sealTable,
  swapRenewal,
];

/** True if a seal with these options renews swap volumes. */
export function sealsSwap({ skip = [], only }: Pick<SealOptions, "skip" | "only">): boolean {
  return !skip.includes(swapRenewal.name) && (only?.includes(swapRenewal.name) ?? true);
}

export interface SealOptions {
  /** Names of operations to skip. */
  readonly skip?: readonly string[];
  /** Names of the only operations to run. */
  readonly only?: readonly string[];
  /** Paths that stay unchanged, including everything below them. */
  readonly keep?: readonly string[];
  /** Relabel all files for SELinux at the next boot. */
  readonly relabel?: boolean;
  /** `mac` adds clone detection by MAC address, before anything is armed. */
  readonly detect?: CloneDetector;
}

/** The operations that seal a guest. */
export function sealOperations({
  skip = [],
  only,
  keep = [],
  relabel,
  detect,
}: SealOptions = {}): Operation[] {
  const unknown = [...skip, ...(only ?? [])].filter((name) => !sealParts.some((one) => one.name === name));
  if (unknown.length > 0)
    throw new TbuildError("usage", `no operation "${unknown.join('", "')}"`, {
      subject: "seal",
      hint: `Available: ${sealParts.map(({ name }) => name).join(", ")}.`,
    });
  const wanted = sealTable
    .filter(({ name }) => !skip.includes(name) && (only?.includes(name) ?? true))
    .map((operation) => (keep.length > 0 && "except" in operation ? operation.except(keep) : operation));
  return [...(detect === "mac" ? [cloneDetection] : []), ...wanted, ...(relabel ? [autorelabel] : [])];
}

/** The minimum that fixes a forgotten template. */
export function repairOperations({ relabel }: Pick<SealOptions, "relabel">): Operation[] {
  return [firstBoot, ...(relabel ? [autorelabel] : [])];
}
