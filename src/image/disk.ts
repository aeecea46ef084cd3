import { TbuildError } from "../errors.ts";
import type { Mount, Volume } from "./access.ts";
import { openExt } from "./ext.ts";
import { type FileSystem, fileSystemOf } from "./filesystem.ts";
import { logicalVolumes } from "./lvm.ts";
import { type Partition, partitionsOf } from "./partitions.ts";
import { fileReader, type Reader, windowOf } from "./reader.ts";

/** The volumes of a raw image nobody described: its partitions, and the linear logical volumes in them. */
export async function volumesOf(image: string): Promise<Volume[]> {
  await using reader = await fileReader(image);
  return await readVolumes(reader);
}

export async function readVolumes(disk: Reader): Promise<Volume[]> {
  const partitions = await partitionsOf(disk);
  if (partitions.length === 0) return readVolume(disk, { name: "disk", offset: 0, bytes: disk.bytes });
  const volumes: Volume[] = [];
  for (const partition of partitions) volumes.push(...(await readVolume(disk, partition)));
  return volumes;
}

/** Where the guest mounts its volumes, read from the `/etc/fstab` of the one that holds it. */
export async function mountsOf(image: string): Promise<Mount[]> {
  await using reader = await fileReader(image);
  const volumes = await readVolumes(reader);
  for (const volume of volumes.filter(({ fs }) => fs.startsWith("ext"))) {
    const ext = await openExt(windowOf(reader, volume.offset, volume.bytes));
    if (!(await ext.stat("/etc/fstab"))) continue;
    return mountsFromFstab(Buffer.from(await ext.readFile("/etc/fstab")).toString(), volumes, volume);
  }
  const others = volumes.filter(({ fs }) => fs === "xfs" || fs === "btrfs");
  if (others.length === 0)
    throw new TbuildError("guest", `${image}: no volume of it holds an /etc/fstab`, {
      lines: volumes.map(({ name, fs, bytes }) => `${name}: ${fs}, ${bytes} bytes`),
    });
  throw new TbuildError("environment", `${image}: its root may be on ${others.map((v) => v.fs).join(", ")}`, {
    hint: "Name the mounts, and open the image with the access `loop`.",
  });
}

/** The mounts that an fstab names; what is not on this disk (nfs, a second disk) is left out. */
export function mountsFromFstab(fstab: string, volumes: readonly Volume[], root: Volume): Mount[] {
  const mounts: Mount[] = [{ at: "/", volume: root }];
  for (const line of fstab.split("\n")) {
    const [device, at] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (!device || !at?.startsWith("/") || at === "/") continue;
    const volume = volumes.find((one) => isNamed(one, device));
    if (volume && volume !== root && !["swap", "unknown"].includes(volume.fs))
      mounts.push({ at: at.replace(/\/+$/, ""), volume });
  }
  return mounts;
}

async function readVolume(
  disk: Reader,
  place: Pick<Partition, "name" | "offset" | "bytes">,
): Promise<Volume[]> {
  const bytes = Math.min(place.bytes, disk.bytes - place.offset);
  if (bytes <= 0) return [{ ...place, fs: "unknown" }];
  const inside = windowOf(disk, place.offset, bytes);
  const found: FileSystem = await fileSystemOf(inside);
  if (found.refused)
    throw new TbuildError("environment", `${place.name}: ${found.refused}`, { hint: refusedHint });
  if (!found.lvm)
    return [{ name: place.name, offset: place.offset, bytes: place.bytes, ...volumeFacts(found) }];
  const volumes: Volume[] = [];
  for (const logical of await logicalVolumes(inside))
    volumes.push(...(await readVolume(disk, { ...logical, offset: place.offset + logical.offset })));
  return volumes;
}

const refusedHint = "Attach the disk to a machine that has it open, and change the guest online.";

function volumeFacts({ fs, uuid, label }: FileSystem): Pick<Volume, "fs" | "uuid" | "label"> {
  return { fs, ...(uuid !== undefined && { uuid }), ...(label !== undefined && { label }) };
}

// A disk is called sda, vda, xvda or hda by the hypervisor that shows it, so only the number counts.
function isNamed(volume: Volume, device: string): boolean {
  const [, key, value] = /^(UUID|LABEL)="?([^"]*)"?$/.exec(device) ?? [];
  if (key === "UUID") return volume.uuid?.toLowerCase() === value?.toLowerCase();
  if (key === "LABEL") return volume.label === value;
  const [, byUuid] = /^\/dev\/disk\/by-uuid\/(.+)$/.exec(device) ?? [];
  if (byUuid !== undefined) return volume.uuid === byUuid;
  const [, number] = /^\/dev\/(?:[hsv]|xv)da(\d+)$/.exec(device) ?? [];
  if (number !== undefined) return volume.name === `p${number}`;
  return volume.name === logicalName(device);
}

// device-mapper doubles a dash that belongs to a name: vg--a-root is root in vg-a.
function logicalName(device: string): string | undefined {
  const [, group, logical] =
    /^\/dev\/mapper\/((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(device) ??
    /^\/dev\/([^/]+)\/([^/]+)$/.exec(device) ??
    [];
  if (group === undefined || logical === undefined) return undefined;
  const single = (name: string) => (device.startsWith("/dev/mapper/") ? name.replaceAll("--", "-") : name);
  return `${single(group)}/${single(logical)}`;
}
