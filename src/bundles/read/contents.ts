import { basename } from "node:path";
import type { Machine, Manifest, Parameter } from "../../model/manifest.ts";

/** What a template's description (vm.cfg or OVF) states. None of it is verified. */
export interface Described {
  readonly name?: string;
  readonly version?: string;
  readonly summary?: string;
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly firmware?: "uefi";
  readonly nics?: readonly string[];
  readonly maxVcpus?: number;
  readonly maxMemoryMib?: number;
  readonly vifs?: readonly string[];
  readonly drives?: readonly string[];
  readonly settings?: Machine["settings"];
  readonly domainType?: Manifest["domainType"];
  readonly contract?: readonly Parameter[];
}

/** A raw disk from an archive or an image. */
export interface UnpackedDisk {
  readonly name: string;
  /** Below the work folder, or the imported file itself. Read only. */
  readonly file: string;
  readonly slot?: string;
  readonly mode?: "r" | "w!";
}

/** The contents of an archive. */
export interface Contents {
  readonly said: Described;
  readonly disks: readonly UnpackedDisk[];
  /** Notes that are not errors. */
  readonly notes: readonly string[];
}

/** A unique name for the manifest, of letters, digits and dashes. */
export function diskName(file: string, taken: readonly UnpackedDisk[]): string {
  const stem = basename(file)
    .replace(/(?:\.(?:img|raw|vmdk|qcow2|gz|\d{9}))+$/i, "")
    .replaceAll(/[^\w-]+/g, "-");
  const wanted = stem.replaceAll(/^-+|-+$/g, "") || "disk";
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.some((disk) => disk.name === name)) return name;
  }
}
