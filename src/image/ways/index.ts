import { type WayIn, waysIn } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/pace.ts";
import type { ImageAccess, Volume } from "../access.ts";
import type { FarFolder } from "../far.ts";
import { debugfsAccess } from "./debugfs.ts";
import { directAccess } from "./direct.ts";
import { guestfishAccess } from "./guestfish.ts";
import { kpartxAccess } from "./kpartx.ts";
import { loopAccess } from "./loop.ts";
import { umlAccess } from "./uml.ts";

export interface AccessOptions {
  readonly needsPrograms?: boolean;
  /** Nothing is to be written. */
  readonly readOnly?: boolean;
  /** What is written has to go beside the image. */
  readonly beside?: boolean;
  /** Where the image really lies, when it is only seen here. */
  readonly far?: FarFolder;
  /** This one, and no other. */
  readonly via?: WayIn;
  readonly watch?: Watch;
  /** Told what is worth saying and no failure: a journal that was replayed. */
  readonly note?: (text: string) => void;
}

/** The ways into an image, the one that asks for least first. */
export const accesses = {
  direct: (_host: Host, { note }: AccessOptions = {}) => directAccess(note),
  debugfs: (host: Host, { note }: AccessOptions = {}) => debugfsAccess(host, note),
  loop: (host: Host) => loopAccess(host),
  kpartx: (host: Host, { far }: AccessOptions = {}) => kpartxAccess(far?.host ?? host, far?.pathOn),
  uml: (host: Host) => umlAccess(host),
  guestfish: (host: Host) => guestfishAccess(host),
} as const satisfies Record<WayIn, (host: Host, options?: AccessOptions) => ImageAccess>;

/**
 * The first access that can open all `volumes`, run programs where that is needed, and works on this host; `why`
 * says what spoke against those before it. `failed` are those that were tried on this image, to no avail.
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
  { needsPrograms = false, readOnly = false, beside = false }: AccessOptions,
): string | undefined {
  if (access.readsOnly && !readOnly) return "only reads";
  if (beside && !access.openBeside) return "changes the image itself";
  if (needsPrograms && !access.runsPrograms) return "cannot run programs of the guest";
  const split = volumes.find(({ pieces }) => pieces !== undefined);
  if (split && !access.joinsPieces)
    return `cannot open ${split.name}, which lies in ${split.pieces?.length} pieces`;
  if (access.findsByTable && volumes.some(({ isOffTable }) => isOffTable))
    return "finds volumes by the partition table, which is damaged or counts in sectors of 4096 bytes";
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
