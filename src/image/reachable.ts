import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Mount } from "./access.ts";
import type { OtherVolume } from "./disk/other-volumes.ts";
import type { ImageFile } from "./file/image-file.ts";
import { openByBest } from "./open-volumes.ts";
import type { AccessOptions } from "./ways/index.ts";

/** A guest: its mounts, and the volumes of its disk that are not opened. */
export interface Found {
  readonly facts: Pick<ImageFile, "file" | "format">;
  readonly mounts: readonly Mount[];
  readonly others: readonly OtherVolume[];
}

export type ReachOptions = Pick<AccessOptions, "via" | "far" | "watch"> & {
  /** Continue without a volume even if this machine only lacks a program for it. */
  readonly allowUnmounted?: boolean;
};

/**
 * Runs `work` with a guest. If a data volume cannot be opened, it runs again without that volume, which then
 * is one of the `others`. A volume that another machine could open is not left out unless that is allowed.
 */
export async function withReachable<Given extends Found, Result>(
  host: Host,
  found: Given,
  options: ReachOptions,
  work: (found: Given) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(found);
  } catch (error) {
    if (!(error instanceof TbuildError) || found.mounts.length < 2) throw error;
    const closed = await closedAmong(host, found, options);
    if (closed.length === 0) throw error;
    const lacking = closed.find(({ code }) => code === "no-access");
    if (lacking && !options.allowUnmounted)
      throw error.with({ hint: `To leave out ${lacking.mount.volume.name}, use --allow-unmounted.` });
    return await work({
      ...found,
      mounts: found.mounts.filter((mount) => closed.every((one) => one.mount !== mount)),
      others: [...found.others, ...closed.map(({ mount, why }) => otherOf(mount, why))],
    });
  }
}

interface Closed {
  readonly mount: Mount;
  readonly why: string;
  readonly code?: TbuildError["code"];
}

// Each volume is opened by itself. If the root cannot be opened, no volume is left out: without it there is no guest.
async function closedAmong(
  host: Host,
  { facts, mounts }: Found,
  { via, far, watch }: ReachOptions,
): Promise<Closed[]> {
  const options = { readOnly: true, ...(via && { via }), ...(far && { far }), ...(watch && { watch }) };
  const byDepth = [...mounts].sort((one, other) => one.at.length - other.at.length);
  const closed: Closed[] = [];
  for (const mount of byDepth) {
    const { at, volume } = mount;
    const above = closed.find((one) => isBelow(at, one.mount.at));
    if (above) {
      closed.push({ mount, why: `is mounted below ${above.mount.at}, which was not opened` });
      continue;
    }
    if (closed.some((one) => one.mount === mount)) continue;
    try {
      await using opened = await openByBest(host, facts, [{ at: "/", volume }], options);
      for (const inner of byDepth.filter((one) => holderOf(one, byDepth) === mount)) {
        const place = at === "/" ? inner.at : inner.at.slice(at.length);
        if ((await opened.tree.stat(place))?.kind !== "dir")
          closed.push({ mount: inner, why: `was not mounted: the guest has no folder ${inner.at}` });
      }
    } catch (error) {
      if (!(error instanceof TbuildError) || at === "/") return [];
      const what = [error.about(facts.file), ...error.said].join("; ");
      closed.push({ mount, why: `cannot be opened (${what})`, code: error.code });
    }
  }
  return closed;
}

/** The mount whose volume contains the mount point of another. */
function holderOf(mount: Mount, byDepth: readonly Mount[]): Mount | undefined {
  return byDepth.filter((one) => one !== mount && isBelow(mount.at, one.at)).at(-1);
}

function isBelow(at: string, above: string): boolean {
  return above === "/" ? at !== "/" : at.startsWith(`${above}/`);
}

function otherOf({ volume: { name, fs, bytes, subvolume } }: Mount, why: string): OtherVolume {
  const part = subvolume === undefined ? name : `${name}, subvolume ${subvolume},`;
  return { name: part, fs, bytes, state: "unknown", why };
}
