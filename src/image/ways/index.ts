import { type WayIn, waysIn } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/long-work.ts";
import { amount } from "../../io/units.ts";
import type { ImageAccess, Volume } from "../access.ts";
import type { ProgramsWish } from "../programs.ts";
import { accesses, type WayOptions } from "./table.ts";

export interface AccessOptions extends WayOptions {
  /** The image is opened for reading only. */
  readonly readOnly?: boolean;
  /** Changes must not go to the image itself. */
  readonly beside?: boolean;
  /** Programs of the guest will be run. */
  readonly programs?: ProgramsWish;
  /** Use only this method. */
  readonly via?: WayIn;
  readonly watch?: Watch;
}

/**
 * The first access method that can open all `volumes` and works on this host. `why` has the reasons against the earlier ones. `failed` are methods that failed on this image.
 */
export async function chooseAccess(
  host: Host,
  image: string,
  volumes: readonly Volume[],
  options: AccessOptions = {},
  failed: readonly { readonly name: string; readonly why: string }[] = [],
): Promise<ImageAccess & { readonly why: readonly string[] }> {
  const reasons: string[] = [];
  for (const name of waysIn) {
    const make = accesses[name];
    if (options.via !== undefined && name !== options.via) continue;
    const access = make(host, options);
    const tried = failed.find((one) => one.name === name);
    const why = tried?.why ?? unfit(access, volumes, options) ?? (await lacks(access));
    if (why === undefined) return { ...access, why: reasons };
    reasons.push(`${access.name}: ${why}`);
  }
  throw new TbuildError("environment", "no access method works here", {
    subject: image,
    code: "no-access",
    lines: reasons,
  });
}

function unfit(
  access: ImageAccess,
  volumes: readonly Volume[],
  { readOnly = false, beside = false, programs }: AccessOptions,
): string | undefined {
  if (programs && !access.runsPrograms) return "cannot run the guest's programs";
  if (access.readsOnly && !readOnly) return "only reads";
  if (beside && !access.openBeside) return "changes the image itself";
  const split = volumes.find(({ pieces }) => pieces !== undefined);
  if (split && !access.joinsPieces)
    return `cannot open ${split.name}, which has ${amount(split.pieces?.length ?? 0, "piece")}`;
  if (access.findsByTable && volumes.some(({ isOffTable }) => isOffTable))
    return "finds volumes by the partition table, which is damaged or uses sectors of 4096 bytes";
  const strange = volumes.find(({ fs }) => fs !== "swap" && !access.filesystems.includes(fs));
  return strange && `cannot open ${strange.fs} (${strange.name})`;
}

async function lacks(access: ImageAccess): Promise<string | undefined> {
  try {
    await access.check();
  } catch (error) {
    if (error instanceof TbuildError) return error.about(access.name);
    throw error;
  }
}
