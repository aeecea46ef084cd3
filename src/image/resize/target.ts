import { TbuildError } from "../../errors.ts";
import type { Volume } from "../access.ts";
import type { Partition } from "../disk/partitions.ts";
import type { ImageFacts } from "../open.ts";

/** The parts that grow with a disk: its last partition, and the file system in it. */
export interface Target {
  /** Absent for a disk without a partition table. */
  readonly partition?: Partition;
  readonly volume: Volume;
  /** The volume group that a logical volume is in. */
  readonly group?: string;
}

/** The part of a disk to grow, by default or as named by `wanted`. If nothing can grow, throws the reason. */
export function targetOf(
  facts: Pick<ImageFacts, "file" | "volumes" | "arrays" | "tableFault">,
  partitions: readonly Partition[],
  wanted?: string,
): Target {
  const refuse = (why: string, hint?: string) =>
    new TbuildError("usage", why, { subject: facts.file, ...(hint !== undefined && { hint }) });
  if (facts.tableFault !== undefined) throw refuse(`its partition table has an error: ${facts.tableFault}`);
  if (facts.arrays.length > 0)
    throw refuse("it contains members of a RAID, which mdadm grows in the running guest");
  const partition = [...partitions].sort((a, b) => a.offset - b.offset).at(-1);
  const inside = facts.volumes.filter((volume) => !partition || liesIn(volume, partition));
  const { name: place } = partition ?? { name: "the disk" };
  if (wanted !== undefined && !facts.volumes.some(({ name }) => name === wanted))
    throw refuse(`has no volume ${wanted}`, `It has: ${facts.volumes.map(({ name }) => name).join(", ")}.`);
  if (wanted !== undefined && !inside.some(({ name }) => name === wanted))
    throw refuse(
      `${wanted} cannot grow: ${place} is after it`,
      "Only the last part of a disk can grow. Use a logical volume, or add another disk.",
    );
  const candidates = inside.filter(({ name, fs }) =>
    wanted === undefined ? fs !== "swap" : name === wanted,
  );
  const [volume, ...others] = candidates;
  if (!volume)
    throw refuse(
      inside.length > 0
        ? `${place} is swap, and nothing after it can grow`
        : `${place} contains nothing that can grow`,
      "Only the last part of a disk can grow. Add another disk to the machine.",
    );
  if (others.length > 0)
    throw refuse(
      `${place} contains several logical volumes: which one should grow?`,
      `Name it: --volume ${candidates.map(({ name }) => name).join(", or --volume ")}`,
    );
  const why = unable(volume);
  if (why !== undefined) throw refuse(`${volume.name} ${why}`);
  const group = volume.name.includes("/") ? volume.name.split("/")[0] : undefined;
  return { volume, ...(partition && { partition }), ...(group !== undefined && { group }) };
}

function liesIn({ offset, bytes, pieces }: Volume, partition: Partition): boolean {
  const end = partition.offset + partition.bytes;
  return (pieces ?? [{ offset, bytes }]).some(
    (piece) => piece.offset >= partition.offset && piece.offset < end,
  );
}

function unable({ fs, holds, refused }: Volume): string | undefined {
  if (refused !== undefined) return refused;
  if (fs.startsWith("ext") || fs === "xfs") return undefined;
  return `contains ${holds ?? (fs === "unknown" ? "no file system that tbuild knows" : fs)}; only ext and XFS are grown`;
}
