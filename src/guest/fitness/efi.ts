import type { Volume } from "../../image/access.ts";
import { insideOf } from "../../image/disk/disk.ts";
import { openFat } from "../../image/fat/fat.ts";
import type { Reader } from "../../io/reader.ts";
import { type Finding, orReason } from "./finding.ts";

/** The volumes from which UEFI starts a boot loader, by the type of the partition. */
export function efiVolumes(volumes: readonly Volume[]): Volume[] {
  return volumes.filter(({ partType }) => partType === onGpt || partType === onMbr);
}

const onGpt = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const onMbr = "ef";

/** Whether the UEFI of a new machine, whose variables name no boot loader, finds one (UEFI specification, 3.5.1.1). */
export async function efiFinding(disk: Reader, volumes: readonly Volume[]): Promise<Finding> {
  const reasons: string[] = [];
  for (const volume of efiVolumes(volumes)) {
    const found = await orReason(isFile(insideOf(disk, volume), loader));
    if ("why" in found) reasons.push(`${volume.name}: ${found.why}`);
    else if (found.value)
      return { weight: "remark", about: "disk", why: "boots by UEFI only: give the machine UEFI firmware" };
  }
  if (reasons.length > 0)
    return { weight: "unknown", about: "EFI partition", why: `cannot be read: ${reasons.join("; ")}` };
  return {
    weight: "unfit",
    about: "EFI partition",
    why: `has no ${loader}: the UEFI of a new machine finds no boot loader`,
    remedy: `copy the guest's loader there: tbuild cp LOADER IMAGE:/boot/efi${loader}; or name it in the new machine's UEFI`,
  };
}

const loader = "/EFI/BOOT/BOOTX64.EFI";

async function isFile(volume: Reader, path: string): Promise<boolean> {
  return (await (await openFat(volume)).stat(path))?.kind === "file";
}
